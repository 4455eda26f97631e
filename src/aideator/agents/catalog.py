"""Which agents there are: `catalog.toml`, read and checked once."""

import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.run import AgentConfig, AgentSpec

Parameter = Literal["temperature", "effort", "adaptive_thinking"]


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class Models(_Frozen):
    """What is known about the models that an agent can work with."""

    default: str
    known: tuple[str, ...] = ()
    """Worth offering; any other id is passed on as it is."""
    rejects: dict[Parameter, tuple[str, ...]] = Field(default_factory=dict)
    """Parameter → patterns of model ids that do not take it."""

    def reject(self, parameter: Parameter, model: str) -> bool:
        """Whether the model is known not to take the parameter."""
        return any(
            fnmatchcase(model, pattern) for pattern in self.rejects.get(parameter, ())
        )


class Row(_Frozen):
    """One agent of the catalogue."""

    name: str
    title: str
    command: tuple[str, ...]
    env: dict[str, str] = Field(default_factory=dict)
    runtime: Literal["python"] | None = None
    """What the sandbox must show besides the system; null when the command is found
    there."""
    memory: str = ""
    """The folder in its home where it keeps sessions that it can load (ACP's
    `session/load`); empty for none."""
    memory_mb: int
    startup_seconds: float
    models: Models


@cache
def catalog() -> Mapping[str, Row]:
    """Every agent by its name."""
    table = tomllib.loads(
        files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8")
    )
    return {name: Row(name=name, **row) for name, row in table.items()}


def find(name: str) -> Row:
    """The agent of that name.

    Raises:
        InvalidInput: if there is none; the message names those that exist.
    """
    row = catalog().get(name)
    if row is None:
        raise InvalidInput(
            fields=[
                FieldError(
                    "agent",
                    f"there is no agent {name!r}; there are: {', '.join(catalog())}",
                )
            ]
        )
    return row


def validate_agent(spec: AgentSpec) -> list[FieldError]:
    """Say what is wrong with an agent, as far as it can be known before the model is asked."""
    try:
        row = find(spec.agent)
    except InvalidInput as error:
        return list(error.fields)
    model = spec.model or row.models.default
    wrong = []
    if spec.temperature is not None and row.models.reject("temperature", model):
        wrong.append(
            FieldError(
                "temperature",
                f"{model} does not take a temperature; leave it out, or set `effort`",
            )
        )
    if spec.effort is not None and row.models.reject("effort", model):
        wrong.append(
            FieldError("effort", f"{model} does not take an effort; leave it out")
        )
    return wrong


def validate_judge(
    judge: AgentConfig, *, accepts: Callable[[str], bool]
) -> list[FieldError]:
    """Say what is wrong with a judge.

    It is asked last, when the agents have cost what they cost.

    Args:
        judge: What the submission says of it.
        accepts: Whether a model that the catalogue does not name can be asked for.
    """
    models, wrong = (
        find(AgentSpec().agent).models,
        validate_agent(AgentSpec(**judge.model_dump())),
    )
    model = judge.model or models.default
    if model not in models.known and not accepts(model):
        wrong.append(
            FieldError(
                "model",
                f"nobody knows a model {model!r}; there are: {', '.join(models.known)}",
            )
        )
    if judge.max_turns is not None:
        wrong.append(
            FieldError(
                "max_turns", "a judge answers twice and takes no turns; leave it out"
            )
        )
    return [
        FieldError(f"comparison.judge.{error.field}", error.message) for error in wrong
    ]
