"""DOOR: the command line."""


def main() -> None:
    """Run `aideator`."""
    from aideator.cli.commands import app

    app()
