"""Standard output."""

from rich.console import Console


class StdoutConsole(Console):
    """A console that reports a broken pipe to the command.

    A command may have agents to stop; rich would end the process at once.
    """

    def on_broken_pipe(self) -> None:
        """Raise the error that rich has caught."""
        raise BrokenPipeError
