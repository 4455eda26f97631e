"""The view is a pure reduction: a stream that is cut and repeated shows the same."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aideator.cli.ui.live import live
from aideator.cli.ui.reduce import RunView
from aideator.domain.check import Check, CheckResult, Command
from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    CheckRun,
    Complete,
    ErrorRaised,
    Event,
    EventBody,
    PlanEntry,
    RunStarted,
    Selected,
    SetupOutput,
    SetupRan,
    ToolCall,
    ToolCallUpdate,
    UsageRecorded,
    VariationFailed,
    VariationFinished,
    VariationStarted,
)
from aideator.domain.isolation import Isolation
from aideator.domain.project import Origin
from aideator.domain.run import AgentSpec, RunStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import PatchStats, Verdict

START = datetime(2026, 11, 22, tzinfo=UTC)
TEXT = st.text(max_size=200)
KEYS = st.sampled_from(["a", "b"])
RESULTS = st.builds(
    CheckResult,
    check=st.just("tests"),
    exit_code=st.sampled_from([0, 1]),
    seconds=st.just(1.0),
)
VERDICT = Verdict(
    variation_id=1, patch=PatchStats(files=1, additions=2, deletions=3), checks=()
)
ISOLATION = Isolation(backend="bubblewrap", network="gateway only", limits={})
BODIES: st.SearchStrategy[EventBody] = st.one_of(
    st.builds(
        RunStarted,
        commit=st.just("c" * 40),
        prompt=TEXT,
        variations=st.integers(1, 5),
        checks=st.just(()),
    ),
    st.builds(VariationStarted, spec=st.just(AgentSpec()), attempt=st.integers(1, 3)),
    st.builds(AgentOutput, channel=st.sampled_from(["message", "thought"]), text=TEXT),
    st.builds(ToolCall, tool_call_id=KEYS, title=TEXT),
    st.builds(ToolCallUpdate, tool_call_id=KEYS, title=st.none() | TEXT),
    st.builds(
        AgentPlan,
        entries=st.lists(st.builds(PlanEntry, content=TEXT), max_size=3).map(tuple),
    ),
    st.builds(UsageRecorded, usage=st.builds(Usage, requests=st.integers(0, 9))),
    st.builds(CheckRun, result=RESULTS),
    st.builds(SetupRan, result=RESULTS, cached=st.booleans()),
    st.just(VariationFinished(verdict=VERDICT, isolation=ISOLATION)),
    st.builds(
        VariationFailed,
        reason=st.sampled_from(["Cancelled", "AgentCrashed"]),
        message=TEXT,
    ),
    st.builds(ErrorRaised, reason=st.just("Trouble"), message=TEXT),
    st.just(Selected(winning_variation_id=1)),
    st.builds(Complete, status=st.sampled_from(RunStatus)),
)
STREAMS = st.lists(st.tuples(st.none() | st.integers(1, 5), BODIES), max_size=30).map(
    lambda drawn: [
        Event(
            seq=seq,
            run_id="r",
            variation_id=number,
            at=START + timedelta(seconds=seq),
            body=body,
        )
        for seq, (number, body) in enumerate(drawn, start=1)
    ]
)


def view_of(events: list[Event]) -> RunView:
    view = RunView()
    for event in events:
        view.apply(event)
    return view


@given(STREAMS, st.data())
def test_a_stream_that_breaks_and_is_taken_up_again_too_early_shows_the_same(
    events: list[Event], data: st.DataObject
) -> None:
    heard: list[Event] = []
    at = 0
    while at < len(events):
        until = data.draw(st.integers(at + 1, len(events)))
        heard += events[data.draw(st.integers(0, at)) : until]
        at = until
    assert view_of(heard) == view_of(events)


@given(
    STREAMS, st.randoms(use_true_random=False), st.integers(20, 200), st.integers(5, 60)
)
def test_events_in_any_order_are_drawn_within_the_screen(
    events: list[Event], random: Random, width: int, height: int
) -> None:
    view = view_of(random.sample(events, len(events)))
    console = Console(width=width, height=height, force_terminal=True)
    lines = console.render_lines(live(view, width=width, height=height), pad=False)
    assert len(lines) <= height
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)


def test_a_new_attempt_begins_its_view_anew_and_keeps_what_was_spent() -> None:
    bodies: list[EventBody] = [
        VariationStarted(spec=AgentSpec(), attempt=1),
        AgentOutput(channel="message", text="first"),
        UsageRecorded(usage=Usage(requests=3)),
        VariationStarted(spec=AgentSpec(), attempt=2),
    ]
    variation = view_of(
        [
            Event(seq=n, run_id="r", variation_id=1, at=START, body=b)
            for n, b in enumerate(bodies, 1)
        ]
    ).variation(1)
    assert (
        variation.attempt,
        variation.said,
        variation.usage.requests,
        variation.state,
    ) == (
        2,
        "",
        3,
        "starting",
    )


def test_a_piece_of_a_message_joins_the_one_before_and_a_channel_begins_anew() -> None:
    bodies: list[EventBody] = [
        AgentOutput(channel="thought", text="I "),
        AgentOutput(channel="thought", text="think"),
        AgentOutput(channel="message", text="I say"),
    ]
    events = [
        Event(seq=n, run_id="r", variation_id=1, at=START, body=b)
        for n, b in enumerate(bodies, 1)
    ]
    assert view_of(events[:2]).variation(1).said == "I think"
    assert view_of(events).variation(1).said == "I say"


def headline(*bodies: EventBody, seconds: int = 0) -> str:
    """The first line of the picture, some time after these events."""
    return picture(*bodies, seconds=seconds)[0]


def picture(*bodies: EventBody, seconds: int = 0) -> list[str]:
    """The lines of the picture, some time after these events."""
    view = RunView()
    for seq, body in enumerate(bodies, start=1):
        view.apply(Event(seq=seq, run_id="r", at=START, body=body))
    console = Console(width=120)
    with console.capture() as shown:
        now = START + timedelta(seconds=seconds)
        console.print(live(view, width=120, height=24, now=now))
    return [line.strip() for line in shown.get().splitlines()]


def test_what_takes_long_before_the_agents_has_a_clock() -> None:
    started = RunStarted(
        repo_url="/x",
        commit="c" * 40,
        prompt="p",
        variations=1,
        checks=(Check(name="unit", command="make test"),),
        setup=(Command(command="npm ci"),),
    )
    fetching = started.model_copy(update={"commit": None})
    done = SetupRan(result=CheckResult(check="npm ci", exit_code=0, seconds=1.0))
    assert headline(fetching, seconds=7) == "fetching /x … · 7 s"
    assert headline(started, seconds=185) == "setting up (1 of 1): npm ci · 185 s"
    assert (
        headline(started, done, seconds=9) == "checking the base (1 of 1): unit · 9 s"
    )
    printed = SetupOutput(command="npm ci", line="added 212 packages")
    assert picture(started, printed)[1] == "added 212 packages"
    assert picture(started, printed, done)[1] != "added 212 packages"


def test_set_up_is_seen_step_by_step_and_why_it_failed() -> None:
    setup = (Command(command="npm ci"), Command(command="npm run build"))
    started = RunStarted(
        repo_url="/x",
        commit="c" * 40,
        prompt="p",
        variations=1,
        checks=(),
        setup=setup,
        sources={"setup": Origin.GUESS},
    )
    done = SetupRan(result=CheckResult(check="npm ci", exit_code=0, seconds=1.0))
    assert headline(started) == "setting up (1 of 2): npm ci"
    assert headline(started, done) == "setting up (2 of 2): npm run build"
    ready = f"base {'c' * 12} · set-up: npm ci; npm run build (guessed) · checks: none"
    assert headline(started, done.model_copy(update={"cached": True})) == ready
    assert headline(started, done, done) == ready
    assert (
        headline(
            started, ErrorRaised(reason="SetupFailed", message="set-up failed: why")
        )
        == ""  # the outcome of the run says it whole
    )
