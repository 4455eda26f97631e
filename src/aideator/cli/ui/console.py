"""Standard output."""

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from aideator.domain.visible import visible_text


class StdoutConsole(Console):
    """A console for text that agents and repositories wrote.

    Nothing in a string is markup or an emoji's name. What a caller has not escaped is
    spelled out, though after the layout: `escape` it where it is drawn. A broken pipe
    is reported to the command, which may have agents to stop; rich would end the
    process at once.
    """

    def __init__(
        self, file: IO[str] | None = None, *, width: int | None = None
    ) -> None:
        """Open standard output, or another file.

        Args:
            file: What is written to; standard output when absent.
            width: Columns; those of the terminal when absent.
        """
        super().__init__(file=file, width=width, markup=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of an object, with all invisible text spelled out."""
        return map(_visible, super().render(renderable, options))

    def on_broken_pipe(self) -> None:
        """Raise the error that rich has caught."""
        raise BrokenPipeError


def _visible(segment: Segment) -> Segment:
    if segment.control:
        return segment
    return segment._replace(text=visible_text(segment.text))
