"""Say what is wrong with a command line: one sentence, and the command that helps.

Typer validates values with pydantic and passes its words on; here they are ours, as for
every other field.
"""

from typing import Any

import typer

_USAGE = 2


def tell(error: typer.TyperException) -> int:
    """Print what is wrong with a command line; return the exit code."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(context.get_help())
        return _USAGE
    typer.secho(f"error: {_message(error)}", fg="red", err=True)
    path = context.command_path if context is not None else "aideator"
    typer.secho(f"  next: {path} --help", err=True)
    return _USAGE


def _message(error: typer.TyperException) -> str:
    from aideator.cli.ui.escape import escape

    whole: Any = error
    if not isinstance(error, typer.BadParameter) or not whole.message:
        return escape(whole.format_message()).rstrip(".")
    return escape(f"{_name(error)}: {_what_is_taken(error)}")


def _name(error: typer.BadParameter) -> str:
    """Return the option, in its long form, or the argument."""
    parameter: Any = error.param
    if parameter is None:
        return str(error.param_hint or "the command line")
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name)


def _what_is_taken(error: typer.BadParameter) -> str:
    """Return the error's words, or ours for what pydantic has found."""
    find = getattr(error.__cause__, "errors", None)
    if find is None:
        return str(error.message)
    from aideator.domain.field_errors import field_message

    return field_message(find()[0])
