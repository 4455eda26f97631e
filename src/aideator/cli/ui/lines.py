"""One line for each event that a person wants to know of: output without a terminal.

A line may hold anything that an agent writes: escape it where it is shown.
"""

from typing import assert_never

from aideator.cli.ui.reduce import RunView
from aideator.cli.ui.setup_line import start_line
from aideator.domain import events, wording

_ENDED = {"completed": "▸", "failed": "▸ failed:"}
"""How a tool call ended. No tick: that a command ended well does not say that the tests
in it passed."""


def line_of(event: events.Event, view: RunView) -> str:
    """Return what happened, and to which variation.

    It is empty for pieces of output, for usage, and for what the summary at the end
    shows better.

    Args:
        event: The event.
        view: The run, with the event applied.
    """
    text = _progress_line(event.body, event.variation_id, view)
    if text and event.variation_id is not None:
        return f"[{event.variation_id}] {text}"
    return text


def finished_message(event: events.Event, view: RunView) -> str:
    """Return what an agent has said, once: when it goes on to something else.

    Args:
        event: The next event.
        view: The run, without that event.
    """
    number = event.variation_id
    if number is None or number not in view.variations:
        return ""
    body, variation = event.body, view.variations[number]
    if isinstance(body, events.UsageRecorded) or (
        isinstance(body, events.AgentOutput)
        and (body.channel, body.message_id) == variation.message
    ):
        return ""
    said = variation.take_message()
    return f"[{number}] {said}" if said else ""


def _progress_line(  # noqa: C901 - one flat match over the union
    body: events.EventBody, number: int | None, view: RunView
) -> str:
    match body:
        case (
            events.RunStarted()
            | events.SetupRan()
            | events.HostAsked()
            | events.HostAnswered()
        ):
            return start_line(body)
        case events.VariationStarted(attempt=attempt):
            return f"attempt {attempt} starts"
        case events.ToolCall() | events.ToolCallUpdate():
            return _tool_line(body, number, view)
        case events.CheckRun(result=result):
            where = " on the base" if number is None else ""
            return wording.check_outcome(result) + where
        case events.VariationFinished(verdict=verdict):
            calls = view.variation(verdict.variation_id).calls
            return f"done, {wording.count(calls, 'tool call')}"
        case events.VariationFailed() | events.ErrorRaised():
            return _failure_line(body, number, view)
        case (
            events.EvidenceGathered()
            | events.VariationAdded()
            | events.FlagsCleared()
            | events.Deselected()
            | events.Published()
        ):
            return _decision_line(body)
        case (
            events.AgentOutput()
            | events.AgentPlan()
            | events.UsageRecorded()
            | events.SandboxOpened()
            | events.SetupOutput()
            | events.Checking()
            | events.VerdictReached()
            | events.Selected()
            | events.Complete()
        ):
            return ""
        case unknown:
            assert_never(unknown)


def _failure_line(
    body: events.VariationFailed | events.ErrorRaised, number: int | None, view: RunView
) -> str:
    """Return a failure; nothing for one that the outcome of the run tells.

    A run that fails before its agents start fails each of its variations.
    """
    if number is None or view.variation(number).started is None:
        return ""
    return f"{body.reason}: {body.message}"


def _tool_line(
    call: events.ToolCall | events.ToolCallUpdate, number: int | None, view: RunView
) -> str:
    """Return a tool call that has ended; nothing while it goes on."""
    if number is None or call.status not in _ENDED:
        return ""
    title = view.variation(number).tools.get(call.tool_call_id, "tool")
    return f"{_ENDED[call.status]} {title}"


def _decision_line(
    body: events.EvidenceGathered
    | events.VariationAdded
    | events.FlagsCleared
    | events.Deselected
    | events.Published,
) -> str:
    match body:
        case events.EvidenceGathered(evidence=evidence):
            if not evidence.cross_tests:
                return ""
            tests = wording.count(len(evidence.cross_tests), "cross-test")
            return f"the variations were compared with {tests}"
        case events.VariationAdded(composed=parts) if parts:
            sources = sorted({part.variation_id for part in parts})
            return f"composed from {', '.join(map(str, sources))}"
        case events.VariationAdded(spec=spec):
            return f"another agent: {spec.agent}"
        case events.FlagsCleared(reason=reason):
            return f"flags cleared: {reason}"
        case events.Deselected():
            return "the selection was undone"
        case events.Published(publication=publication):
            pull_request = publication.pull_request or ""
            return f"published as {publication.branch} {pull_request}"
        case unknown:
            assert_never(unknown)
