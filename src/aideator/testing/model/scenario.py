r"""Scenario files: what the scripted model says, and how it reacts to tool results.

A scenario is a YAML file (the reference is docs/reference/scenarios.md):

    about: One edit, then done.
    pace: 0.01                     # seconds between two pieces of a stream
    lanes:
      1:                           # the variation's number; `default` for all others
        - think: Look first.
          calls:
            - bash: {command: python3 -m unittest}
        - choose:                  # the first branch whose `when` fits the results
            - when: {result: 'FAILED \(failures=(?P<count>\d+)\)'}
              turns:
                - say: "{{count}} tests fail."
                  calls:
                    - bash: {command: sed -i s/-/+/ calc.py}
            - turns: []            # no `when`: everything else
        - say: Done.

The server stores no conversation. A request has every assistant message and tool result
so far, so the lane is replayed over them: agents run in parallel, restart and repeat a
request, and each gets the turn that fits.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Tag,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

SCENARIOS = Path(__file__).parent / "scenarios"
"""Directory of the shipped scenarios, named by file name without `.yaml`."""


class ScenarioError(ValueError):
    """The scenario cannot be read; the message names the line and the field."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class ScriptedCall(_Part):
    """A tool call, written `- bash: {command: ls}`."""

    name: str = Field(min_length=1)
    input: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _one_key(cls, data: object) -> object:
        if not isinstance(data, dict) or len(data) != 1:
            raise ValueError(
                "write one tool and its input, such as `bash: {command: ls}`"
            )
        ((name, arguments),) = data.items()
        return {"name": name, "input": arguments}

    @model_serializer
    def _written(self) -> dict[str, Any]:
        return {self.name: self.input}


class Figures(_Part):
    """Token counts that the answer states."""

    input_tokens: NonNegativeInt | None = None
    """All three figures of the input are estimated from the request when absent."""
    output_tokens: NonNegativeInt | None = None
    """Estimated from what is said when absent."""
    cache_creation_input_tokens: NonNegativeInt = 0
    cache_read_input_tokens: NonNegativeInt = 0


class Fault(_Part):
    """Something that goes wrong in place of the turn, or in the middle of it.

    Exactly one kind.
    """

    status: int | None = Field(default=None, ge=400, le=599)
    """Answer with this HTTP status and the API's error body."""
    headers: dict[str, str] = {}
    """Headers of such an answer, such as `retry-after: "1"`."""
    body: str | None = None
    """Body of such an answer; the API's own error shape when absent."""
    cut_after: PositiveInt | None = None
    """Drop the connection after so many stream events (half of the body without
    streaming)."""
    stall_after: NonNegativeInt | None = None
    """Say nothing more after so many stream events; 0 sends not even headers."""
    error_after: PositiveInt | None = None
    """Send an `error` event (overloaded_error) after so many stream events, as the API
    does in mid-stream."""
    garbage: bool = False
    """Answer 200 with bytes that are no stream."""
    times: PositiveInt | None = None
    """Only the first so many requests for this turn by one lease; every request when
    absent."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = (
            self.status,
            self.cut_after,
            self.stall_after,
            self.error_after,
            self.garbage or None,
        )
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError(
                "a fault is one of status, cut_after, stall_after, error_after, garbage"
            )
        return self


class Turn(_Part):
    """One answer of the model."""

    think: str = ""
    """A thinking block, sent when the request asks for thinking."""
    say: str = ""
    """A text block."""
    calls: tuple[ScriptedCall, ...] = ()
    """Tool calls, in order."""
    stop: (
        Literal["end_turn", "tool_use", "max_tokens", "refusal", "pause_turn"] | None
    ) = None
    """The stop reason; `tool_use` after calls, else `end_turn`, when absent."""
    usage: Figures = Figures()
    wait: NonNegativeFloat | None = None
    """Seconds before the first byte; the scenario's own when absent."""
    pace: NonNegativeFloat | None = None
    """Seconds between two pieces of the stream; the scenario's own when absent."""
    fault: Fault | None = None
    repeat: bool = False
    """Stay on this turn for ever: an agent that never ends."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.say or self.calls or self.fault or self.stop):
            raise ValueError("a turn needs one of say, calls, stop, fault")
        return self

    @property
    def stop_reason(self) -> str:
        """Why the answer ends."""
        return self.stop or ("tool_use" if self.calls else "end_turn")


class When(_Part):
    """Conditions on the conversation; all that are given must hold."""

    result: str | None = None
    """A regular expression (multi-line) found in the last tool results. Named groups
    fill `{{name}}` in the branch."""
    failed: bool | None = None
    """Whether one of the last tool results was marked as an error."""
    prompt: str | None = None
    """A regular expression found in what the user has asked."""

    @field_validator("result", "prompt")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern


class Branch(_Part):
    """Turns that are taken if the condition holds; without one, always."""

    when: When = When()
    turns: "tuple[Step, ...]"


class Choice(_Part):
    """A choice: the first branch that fits is taken, then the lane continues."""

    choose: tuple[Branch, ...] = Field(min_length=1)


def _kind(data: object) -> str:
    is_choice = isinstance(data, dict) and "choose" in data
    return "choice" if is_choice or isinstance(data, Choice) else "turn"


Step = Annotated[
    Annotated[Turn, Tag("turn")] | Annotated[Choice, Tag("choice")],
    Discriminator(_kind),
]


class Scenario(_Part):
    """A whole file."""

    about: str = ""
    """What the scenario shows, for people."""
    wait: NonNegativeFloat = 0
    """Seconds before the first byte of each answer."""
    pace: NonNegativeFloat = 0
    """Seconds between two pieces (about one word) of a stream."""
    lanes: dict[PositiveInt | Literal["default"], tuple[Step, ...]] = Field(
        min_length=1
    )

    def at_once(self) -> Self:
        """Return the scenario without delays, except those of single turns."""
        return self.model_copy(update={"wait": 0, "pace": 0})

    def lane(self, number: int | None) -> tuple[Step, ...]:
        """Return a variation's lane: its own, `default`, or a numbered one in turn."""
        if number in self.lanes:
            return self.lanes[number]
        if "default" in self.lanes:
            return self.lanes["default"]
        numbered = [self.lanes[key] for key in self.lanes]
        return numbered[((number or 1) - 1) % len(numbered)]


def load(source: str | Path | dict[str, Any]) -> Scenario:
    """Read a scenario.

    Args:
        source: the name of a shipped scenario, the path of a YAML file, or the content
            itself.

    Raises:
        ScenarioError: if there is no such file, or it is not a scenario.
    """
    if isinstance(source, dict):
        return _validated(source, None, "scenario")
    path = _path(source)
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path.name}: {error}") from error
    return _validated(content, tree, path.name)


def _path(source: str | Path) -> Path:
    shipped = SCENARIOS / f"{source}.yaml"
    if isinstance(source, Path) or "/" in source or source.endswith((".yaml", ".yml")):
        return Path(source)
    if not shipped.is_file():
        names = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
        raise ScenarioError(
            f"no scenario is called {source!r}; there are {names}. "
            "A file ends with .yaml"
        )
    return shipped


def _validated(content: object, tree: yaml.Node | None, name: str) -> Scenario:
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        lines = []
        for found in error.errors():
            field = ".".join(map(str, found["loc"]))
            lines.append(f"{name}:{_line(tree, found['loc'])}: {field}: {found['msg']}")
        raise ScenarioError("\n".join(lines)) from error


def _line(node: yaml.Node | None, place: Iterable[str | int]) -> int:
    """Return the line of a field, or of the last part of its path that exists.

    Pydantic's own tags in the path lead nowhere.
    """
    for key in place:
        node = _child(node, key)
    return node.start_mark.line + 1 if node else 0


def _child(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                child: yaml.Node = value
                return child
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        items: list[yaml.Node] = node.value
        return items[key] if key < len(items) else node
    return node
