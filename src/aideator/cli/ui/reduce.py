"""What a terminal shows of a run: a pure reduction of the run's events.

Every kind of event is named in a `match`, so that mypy refuses a new kind until it is
decided here what becomes of it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from aideator.domain import events
from aideator.domain.check import CheckResult
from aideator.domain.isolation import Isolation
from aideator.domain.ranking import Ranking
from aideator.domain.run import AgentSpec, RunStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict

_SAID_LENGTH = 600
"""Characters that are kept of an agent's message; a panel shows no more."""

_Activity = (
    events.AgentOutput
    | events.ToolCall
    | events.ToolCallUpdate
    | events.AgentPlan
    | events.UsageRecorded
)
_Progress = (
    events.VariationStarted
    | events.Checking
    | events.CheckRun
    | events.VariationFinished
    | events.VariationFailed
    | events.ErrorRaised
)


@dataclass
class VariationView:
    """What is shown of one variation."""

    number: int
    spec: AgentSpec = field(default_factory=AgentSpec)
    state: str = "queued"
    attempt: int = 0
    queued_at: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    said: str = ""
    channel: str = ""
    message: tuple[str, str | None] = ("", None)
    """Channel and id of the agent's current message."""
    untold: str = ""
    """The beginning of the agent's message, until `take_message`; no thoughts."""
    tools: dict[str, str] = field(default_factory=dict)
    """Titles of tool calls, by id."""
    tool: str = ""
    """Title of the current tool call, or of the last one."""
    calls: int = 0
    plan: str = ""
    usage: Usage = field(default_factory=Usage)
    checks: list[CheckResult] = field(default_factory=list)
    verdict: Verdict | None = None
    isolation: Isolation | None = None
    failure: str = ""
    trouble: str = ""

    def apply(self, event: events.Event) -> None:
        """Apply one event of this variation."""
        match event.body:
            case (
                events.AgentOutput()
                | events.ToolCall()
                | events.ToolCallUpdate()
                | events.AgentPlan()
                | events.UsageRecorded() as activity
            ):
                self._apply_activity(activity)
            case (
                events.VariationStarted()
                | events.Checking()
                | events.CheckRun()
                | events.VariationFinished()
                | events.VariationFailed()
                | events.ErrorRaised() as progress
            ):
                self._apply_progress(progress, event.at)
            case (
                events.VariationAdded() | events.FlagsCleared() | events.SandboxOpened()
            ):
                pass  # `RunView` applies the first; the summary shows the second
            case (
                events.RunStarted()
                | events.SetupOutput()
                | events.SetupRan()
                | events.HostAsked()
                | events.HostAnswered()
                | events.EvidenceGathered()
                | events.VerdictReached()
                | events.Selected()
                | events.Deselected()
                | events.Published()
                | events.Complete()
            ):
                pass  # these concern the whole run
            case unknown:
                assert_never(unknown)

    def _apply_activity(self, activity: _Activity) -> None:
        match activity:
            case events.AgentOutput(channel=channel, text=text, message_id=message):
                self._say((channel, message), text)
            case events.ToolCall(tool_call_id=key, title=title):
                self.calls += 1
                self._use_tool(key, title)
            case events.ToolCallUpdate(tool_call_id=key, title=title):
                self._use_tool(key, title)
            case events.AgentPlan(entries=entries):
                done = sum(entry.status == "completed" for entry in entries)
                self.plan = f"{done}/{len(entries)} steps"
            case events.UsageRecorded(usage=usage):
                self.usage = usage
            case unknown:
                assert_never(unknown)

    def _apply_progress(self, progress: _Progress, at: datetime) -> None:
        match progress:
            case events.VariationStarted(spec=spec, attempt=attempt):
                self.state, self.started = "starting", at
                self.spec, self.attempt = spec, attempt
            case events.Checking():
                self.state = "checking"
            case events.CheckRun(result=result):
                self.checks.append(result)
            case events.VariationFinished(verdict=verdict, isolation=isolation):
                self.state, self.ended = "done", at
                self.verdict, self.isolation = verdict, isolation
            case events.VariationFailed(reason=reason, message=message):
                self.state = "stopped" if reason == "Cancelled" else "failed"
                self.failure, self.ended = message, at
            case events.ErrorRaised(message=message):
                self.trouble = message
            case unknown:
                assert_never(unknown)

    def _say(self, message: tuple[str, str | None], text: str) -> None:
        self.channel = message[0]
        self.state = "thinking" if self.channel == "thought" else "writing"
        said = self.said + text if message == self.message else text
        self.said = said[-_SAID_LENGTH:]
        self.message = message
        if self.channel == "message":
            self.untold = (self.untold + text)[:_SAID_LENGTH]

    def take_message(self) -> str:
        """Return the beginning of the agent's last message, the first time only."""
        said, self.untold = self.untold.strip(), ""
        return said

    def _use_tool(self, key: str, title: str | None) -> None:
        if title:
            self.tools[key] = title
        self.tool = self.tools.get(key, self.tool)
        self.state = "working"


@dataclass
class RunView:
    """What is shown of a whole run."""

    variations: dict[int, VariationView] = field(default_factory=dict)
    started: events.RunStarted | None = None
    started_at: datetime | None = None
    step_at: datetime | None = None
    """When the present step before the agents began: set-up, a check of the base."""
    setup: list[CheckResult] = field(default_factory=list)
    setup_line: str = ""
    """What the set-up command that runs has printed last."""
    is_set_up: bool = False
    """Whether the environment existed before the run."""
    asked_hosts: dict[str, str] = field(default_factory=dict)
    """Hosts that set-up waits for an answer about, and what asks for each."""
    baseline: list[CheckResult] = field(default_factory=list)
    ranking: Ranking | None = None
    selected: events.Selected | None = None
    status: RunStatus | None = None
    trouble: str = ""
    last_seq: int = 0
    last_at: datetime | None = None

    @property
    def has_agents(self) -> bool:
        """Whether any agent has started."""
        return any(each.started for each in self.variations.values())

    def apply(self, event: events.Event) -> None:
        """Apply one event.

        Events have to come in order; one that was applied before is skipped.
        """
        if event.seq <= self.last_seq:
            return
        self.last_seq, self.last_at = event.seq, event.at
        if event.variation_id is None:
            self._apply(event.body, event.at)
        else:
            self._apply_to_variation(event.variation_id, event)

    def _apply(  # noqa: C901 - one flat match over the union
        self, body: events.EventBody, at: datetime
    ) -> None:
        match body:
            case events.RunStarted() as started:
                self._start(started, at)
            case events.SetupOutput() | events.SetupRan() as told:
                self._apply_setup(told, at)
            case events.HostAsked() | events.HostAnswered() as question:
                self._apply_question(question)
            case events.CheckRun(result=result):
                self.baseline.append(result)
                self.step_at = at
            case events.VerdictReached(ranking=ranking):
                self.ranking = ranking
            case events.Selected() | events.Deselected() as choice:
                self._choose(choice)
            case events.ErrorRaised(message=message):
                self.trouble = message
            case events.Complete(status=status):
                self.status = status
                self.asked_hosts.clear()
            case events.EvidenceGathered() | events.Published():
                pass  # the summary shows both
            case (
                events.VariationAdded()
                | events.VariationStarted()
                | events.VariationFinished()
                | events.VariationFailed()
                | events.FlagsCleared()
                | events.AgentOutput()
                | events.ToolCall()
                | events.ToolCallUpdate()
                | events.AgentPlan()
                | events.UsageRecorded()
                | events.SandboxOpened()
                | events.Checking()
            ):
                pass  # these concern one variation
            case unknown:
                assert_never(unknown)

    def _choose(self, choice: events.Selected | events.Deselected) -> None:
        self.selected = choice if isinstance(choice, events.Selected) else None

    def _apply_setup(
        self, told: events.SetupOutput | events.SetupRan, at: datetime
    ) -> None:
        if isinstance(told, events.SetupOutput):
            self.setup_line = told.line
            return
        self.setup.append(told.result)
        self.is_set_up, self.step_at, self.setup_line = told.cached, at, ""

    def _apply_question(self, question: events.HostAsked | events.HostAnswered) -> None:
        if isinstance(question, events.HostAsked):
            self.asked_hosts[question.host] = question.asked_by
        else:
            self.asked_hosts.pop(question.host, None)

    def _start(self, started: events.RunStarted, at: datetime) -> None:
        self.started, self.started_at, self.setup = started, at, []
        self.step_at, self.baseline = at, []
        for number in range(1, started.variations + 1):
            self.variation(number).queued_at = at

    def _apply_to_variation(self, number: int, event: events.Event) -> None:
        if isinstance(event.body, events.VariationAdded):
            self.variations[number] = VariationView(
                number, spec=event.body.spec, queued_at=event.at
            )
        elif isinstance(event.body, events.VariationStarted):
            # A second start is a new attempt: all but what was spent begins anew.
            usage = self.variation(number).usage
            self.variations[number] = VariationView(number, usage=usage)
        self.variation(number).apply(event)

    def variation(self, number: int) -> VariationView:
        """Return the view of one variation."""
        return self.variations.setdefault(number, VariationView(number))
