"""One line for each event that a person would want to know.

It may hold anything: who shows it makes it plain.
"""

from aideator.cli.ui.reduce import View
from aideator.cli.ui.setup_line import opening
from aideator.domain.check import CheckResult, TestOutcome
from aideator.domain.events import (
    Deselected,
    Event,
    EventBody,
    EvidenceGathered,
    FlagsCleared,
    Published,
    VariationAdded,
)

_ENDED = {"completed": "✓", "failed": "✗"}


def line_of(event: Event, view: View) -> str:
    """What happened, and to which variation; empty for deltas, usage, and what the tables at the end show better."""
    text = _progress(event, view) or _decision(event.body)
    return (
        f"[{event.variation_id}] {text}"
        if text and event.variation_id is not None
        else text
    )


def _progress(event: Event, view: View) -> str:
    body = event.body
    match body.kind:
        case "run_started" | "setup":
            return opening(body)
        case "variation_started":
            return f"attempt {body.attempt} starts"
        case "tool_call" | "tool_call_update" if (
            body.status in _ENDED and event.variation_id is not None
        ):
            return f"{_ENDED[body.status]} {view.lane(event.variation_id).tools.get(body.tool_call_id, 'tool')}"
        case "check":
            return _checked(body.result) + (
                " on the base" if event.variation_id is None else ""
            )
        case "variation_finished":
            calls = view.lane(body.verdict.variation_id).calls
            return f"done, {calls} tool call{'s' * (calls != 1)}"
        case "variation_failed" | "error":
            return f"{body.reason}: {body.message}"
        case _:
            return ""


def _checked(result: CheckResult) -> str:
    total, passed = (
        sum(result.counts.values()),
        result.counts.get(TestOutcome.PASSED, 0),
    )
    told = (
        f" ({passed} of {total} tests)"
        if total
        else f" ({result.note})"
        if result.note
        else ""
    )
    return f"check `{result.check}` {'passes' if result.passed else 'fails'}{told}"


def _decision(body: EventBody) -> str:
    """What the variations, compared, and what people have made of the run."""
    match body:
        case EvidenceGathered(evidence=evidence) if tests := len(evidence.cross_tests):
            return f"the variations were examined with {tests} test{'s' * (tests != 1)} of their own"
        case VariationAdded(composed=parts) if parts:
            return f"composed from {', '.join(map(str, sorted({part.variation_id for part in parts})))}"
        case VariationAdded(spec=agent):
            return f"another agent: {agent.agent}"
        case FlagsCleared(reason=reason):
            return f"flags cleared: {reason}"
        case Deselected():
            return "the decision was undone"
        case Published(publication=made):
            return f"published as {made.branch} {made.pull_request or ''}"
        case _:
            return ""
