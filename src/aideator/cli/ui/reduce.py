"""What a terminal shows of a run, as a pure reduction of its events.

The state shown is the log's, never a guess.
"""

from dataclasses import dataclass, field
from datetime import datetime

from aideator.domain.check import CheckResult
from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    Checking,
    CheckRun,
    Complete,
    Deselected,
    ErrorRaised,
    Event,
    RunStarted,
    Selected,
    SetupRan,
    ToolCall,
    ToolCallUpdate,
    UsageRecorded,
    VariationAdded,
    VariationFailed,
    VariationFinished,
    VariationStarted,
    VerdictReached,
)
from aideator.domain.ranking import Ranking
from aideator.domain.run import AgentSpec, Isolation, RunStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict

_TAIL = 600
"""Characters kept of what an agent says; a column shows no more."""


@dataclass
class Lane:
    """One variation's column."""

    number: int
    spec: AgentSpec = field(default_factory=AgentSpec)
    state: str = "queued"
    attempt: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    said: str = ""
    channel: str = ""
    message: tuple[str, str | None] = ("", None)
    """Channel and id of the message that is being said."""
    tools: dict[str, str] = field(default_factory=dict)
    tool: str = ""
    """The tool call under way, or the last one."""
    calls: int = 0
    plan: str = ""
    usage: Usage = field(default_factory=Usage)
    checks: list[CheckResult] = field(default_factory=list)
    verdict: Verdict | None = None
    isolation: Isolation | None = None
    failure: str = ""
    trouble: str = ""

    def apply(self, event: Event) -> None:  # noqa: C901 - one flat match over the union
        """Take one event of this variation in."""
        match event.body:
            case VariationStarted(spec=agent, attempt=attempt):
                self.state, self.spec, self.attempt, self.started = (
                    "starting",
                    agent,
                    attempt,
                    event.at,
                )
            case AgentOutput(channel=channel, text=text, message_id=message):
                self._say((channel, message), text)
            case ToolCall(tool_call_id=key, title=title):
                self.calls += 1
                self._use(key, title)
            case ToolCallUpdate(tool_call_id=key, title=title):
                self._use(key, title)
            case AgentPlan(entries=entries):
                done = sum(entry.status == "completed" for entry in entries)
                self.plan = f"{done}/{len(entries)} steps"
            case UsageRecorded(usage=usage):
                self.usage = usage
            case Checking():
                self.state = "checking"
            case CheckRun(result=result):
                self.checks.append(result)
            case VariationFinished(verdict=verdict, isolation=isolation):
                self.state, self.ended = "done", event.at
                self.verdict, self.isolation = verdict, isolation
            case VariationFailed(reason=reason, message=message):
                self.state = "stopped" if reason == "Cancelled" else "failed"
                self.failure, self.ended = f"{message}", event.at
            case ErrorRaised(message=message):
                self.trouble = message
            case _:
                pass

    def _say(self, message: tuple[str, str | None], text: str) -> None:
        self.channel = message[0]
        self.state = "thinking" if self.channel == "thought" else "writing"
        self.said = (self.said + text)[-_TAIL:] if message == self.message else text
        self.message = message

    def _use(self, key: str, title: str | None) -> None:
        if title:
            self.tools[key] = title
        self.tool = self.tools.get(key, self.tool)
        self.state = "working"


@dataclass
class View:
    """A whole run."""

    lanes: dict[int, Lane] = field(default_factory=dict)
    started: RunStarted | None = None
    begun_at: datetime | None = None
    setup: list[CheckResult] = field(default_factory=list)
    is_set_up: bool = False
    """Whether the environment was there already."""
    baseline: list[CheckResult] = field(default_factory=list)
    ranking: Ranking | None = None
    selected: Selected | None = None
    status: RunStatus | None = None
    trouble: str = ""
    last_seq: int = 0
    last_at: datetime | None = None

    def apply(self, event: Event) -> None:  # noqa: C901 - one flat match over the union
        """Take one event in.

        Events must come in order; one that was seen already is skipped.
        """
        if event.seq <= self.last_seq:
            return
        self.last_seq, self.last_at = event.seq, event.at
        if event.variation_id is not None:
            self._in_its_lane(event.variation_id, event)
            return
        match event.body:
            case RunStarted() as started:
                self.started, self.begun_at, self.setup = started, event.at, []
                for number in range(1, started.variations + 1):
                    self.lane(number)
            case SetupRan(result=result, cached=cached):
                self.setup.append(result)
                self.is_set_up = cached
            case CheckRun(result=result):
                self.baseline.append(result)
            case VerdictReached(ranking=ranking):
                self.ranking = ranking
            case Deselected():
                self.selected = None
            case Selected() as selected:
                self.selected = selected
            case ErrorRaised(message=message):
                self.trouble = message
            case Complete(status=status):
                self.status = status
            case _:
                pass

    def _in_its_lane(self, number: int, event: Event) -> None:
        match event.body:
            case VariationAdded(spec=agent):
                self.lanes[number] = Lane(number, spec=agent)
            # a second start is a new attempt: its lane begins anew
            case VariationStarted():
                self.lanes[number] = Lane(number, usage=self.lane(number).usage)
        self.lane(number).apply(event)

    def lane(self, number: int) -> Lane:
        """The column of one variation."""
        return self.lanes.setdefault(number, Lane(number))
