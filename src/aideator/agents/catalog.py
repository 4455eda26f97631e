"""The catalogue of agents: `catalog.toml`, read and checked once."""

import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aideator.domain.errors import FieldError, UnknownName
from aideator.domain.run import AgentConfig, AgentSpec

Parameter = Literal["temperature", "effort", "adaptive_thinking"]


class _CatalogModel(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class Models(_CatalogModel):
    """Models that an agent can work with, as far as they are known."""

    default: str
    known: tuple[str, ...] = ()
    """Models to offer; any other id is passed on as it is."""
    rejects: dict[Parameter, tuple[str, ...]] = Field(default_factory=dict)
    """Parameter → patterns of model ids that do not take it."""

    def reject(self, parameter: Parameter, model: str) -> bool:
        """Return whether the model is known not to take the parameter."""
        return any(
            fnmatchcase(model, pattern) for pattern in self.rejects.get(parameter, ())
        )


class AgentEntry(_CatalogModel):
    """One agent of the catalogue."""

    name: str
    title: str
    command: tuple[str, ...]
    env: dict[str, str] = Field(default_factory=dict)
    runtime: Literal["python"] | None = None
    """What the sandbox must show besides the system; null when the command is part of
    the system."""
    memory: str = ""
    """The folder in its home where it keeps sessions that it can load (ACP's
    `session/load`); empty for none."""
    memory_mb: int
    """Memory of the agent itself while it works, in MB, to size sandboxes by."""
    startup_seconds: float
    """Seconds to the first answer, at half a CPU."""
    models: Models


@cache
def catalog() -> Mapping[str, AgentEntry]:
    """Return every agent by its name."""
    table = tomllib.loads(
        files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8")
    )
    return {name: AgentEntry(name=name, **entry) for name, entry in table.items()}


def find(name: str) -> AgentEntry:
    """Return the agent of that name.

    Raises:
        UnknownName: if there is none; the message names those that exist.
    """
    entry = catalog().get(name)
    if entry is None:
        raise UnknownName(
            fields=[
                FieldError(
                    "agent",
                    f"there is no agent {name!r}; there are: {', '.join(catalog())}",
                )
            ]
        )
    return entry


def validate_agent(spec: AgentSpec) -> list[FieldError]:
    """Return what is wrong with an agent, as far as is known before it is started.

    Raises:
        UnknownName: if there is no such agent.
    """
    entry = find(spec.agent)
    model = spec.model or entry.models.default
    wrong = []
    if spec.temperature is not None and entry.models.reject("temperature", model):
        wrong.append(
            FieldError(
                "temperature",
                f"{model} does not take a temperature; leave it out, or set `effort`",
            )
        )
    if spec.effort is not None and entry.models.reject("effort", model):
        wrong.append(
            FieldError("effort", f"{model} does not take an effort; leave it out")
        )
    return wrong


def validate_judge(
    judge: AgentConfig, *, accepts: Callable[[str], bool]
) -> list[FieldError]:
    """Validate the judge before the run starts.

    It is called last, after all agents have been paid for.

    Args:
        judge: The judge as it was submitted.
        accepts: Returns whether a model that the catalogue does not name can be asked
            for.

    Returns:
        What is wrong with it.
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
                f"unknown model {model!r}; known models: {', '.join(models.known)}",
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
