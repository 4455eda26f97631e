"""What an agent wrote cannot act on the terminal, and what we show fits it."""

import io
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.console import StdoutConsole
from aideator.cli.ui.escape import escape, one_line
from aideator.cli.ui.listing import draw_patch
from aideator.cli.ui.live import live
from aideator.cli.ui.reduce import RunView, VariationView
from aideator.cli.ui.summary import comparison, conclusion, isolation_line
from aideator.domain.check import Check
from aideator.domain.isolation import Isolation
from aideator.domain.run import (
    AgentSpec,
    RunDetails,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    Verdict,
)
from aideator.domain.visible import escape_json
from aideator.selection.rank import rank

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1bP+q544e\x1b\\",
    "\x9b31m",
    "\x1b]52;c;ZWNobw==\x07",
    "\u202etxt.exe\u202c",
    "\u2066x\u2069",
    "a\rb\x08c\x7f",
]


def acts_on_a_terminal(text: str) -> list[str]:
    """Return the characters that a terminal obeys.

    Controls (C0 but line break and tab, C1), bidirectional and other formats.
    """
    return [
        c for c in text if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf"}
    ]


@given(
    st.text() | st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5)).map("".join)
)
@example("".join(HOSTILE))
def test_nothing_that_a_terminal_obeys_survives(text: str) -> None:
    assert acts_on_a_terminal(escape(text)) == []


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert escape(text) == text


TAGS = "\U000e0072\U000e006d"
SPELLED_OUT = "⟨U+E0072⟩⟨U+E006D⟩"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"fix it{TAGS}", f"fix it{SPELLED_OUT}"),
        ("\x1b[1;31mred\x1b[m\x1b(B", "red"),
        ("\x1b]0;title\x07", "⟨U+001B⟩]0;title⟨U+0007⟩"),
        ("\x1b]8;;http://x\x1b\\link", "⟨U+001B⟩]8;;http://x⟨U+001B⟩\\link"),
        ("\x1bPdata\x1b\\", "⟨U+001B⟩Pdata⟨U+001B⟩\\"),
    ],
)
def test_what_a_terminal_would_hide_is_spelled_out(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_what_a_caller_forgets_to_escape_the_console_spells_out() -> None:
    file = io.StringIO()
    console = StdoutConsole(file, width=100)
    table = Table(TAGS, title=TAGS)
    table.add_row(f"[conceal]{TAGS}[/conceal]")
    console.print(f"[link=https://evil.example]{TAGS}\x1b[2J", table)
    console.print(Panel(Text(f"{TAGS}\x1b[8m"), title=Text(TAGS)))
    text = file.getvalue()
    assert text.count(SPELLED_OUT) == 5
    assert f"[link=https://evil.example]{SPELLED_OUT}⟨U+001B⟩[2J" in text
    assert "[conceal]⟨U+E0072⟩" in text
    assert acts_on_a_terminal(text) == []


def test_json_for_programs_escapes_what_a_terminal_obeys_and_means_the_same() -> None:
    spec = RunSpec(repo_url="x", prompt=f"fix it{TAGS}\x9b\x7f\n 👩‍👩‍👧", variations=1)
    document = escape_json(spec.model_dump_json())
    assert acts_on_a_terminal(document) == []
    assert RunSpec.model_validate_json(document) == spec


@given(st.text(max_size=300), st.integers(2, 80))
def test_a_line_is_one_line_and_no_longer_than_asked(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert "\n" not in line


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_patch_is_inert_on_a_terminal(attack: str) -> None:
    console = Console(force_terminal=True, color_system=None, width=100)
    shown = draw_patch(console, f"--- a/x\n+++ b/x\n+{attack}end of line\n")
    assert acts_on_a_terminal(shown) == []
    assert "end of line" in shown


def test_a_terminal_shows_short_hashes() -> None:
    console = Console(width=100)
    shown = draw_patch(console, f"index {'1' * 40}..{'2' * 40} 100644\n")
    assert shown.strip() == f"index {'1' * 10}..{'2' * 10} 100644"


def finished(number: int, change: Change = Change.FIXED) -> Variation:
    stats = PatchStats(files=1, additions=12, deletions=3)
    rows = (CheckChange(check="python3 -m unittest discover", change=change),)
    return Variation(
        run_id="r",
        number=number,
        spec=AgentSpec(),
        status=VariationStatus.FINISHED,
        usage=Usage(requests=3, input_tokens=12345),
        verdict=Verdict(variation_id=number, patch=stats, checks=rows),
        isolation=Isolation(
            backend="bubblewrap", network="gateway only", limits={"memory": "cgroup v2"}
        ),
    )


def details_of(count: int) -> RunDetails:
    spec = RunSpec(repo_url="/repo", prompt="Make the test pass", variations=count)
    checks = (Check(command="python3 -m unittest discover"),)
    return RunDetails(
        id="01a20286-e495-75be-b296-6354eddc7d4a",
        spec=spec,
        status=RunStatus.FINISHED,
        checks=checks,
        variations=tuple(finished(number) for number in range(1, count + 1)),
        created_at=datetime.now(UTC),
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 3, 5, 12])
def test_every_variation_is_compared_and_no_cell_is_cut(count: int, width: int) -> None:
    console = Console(width=width)
    with console.capture() as shown:
        console.print(comparison(details_of(count), width=width))
        console.print(conclusion(details_of(count)))
    text = shown.get()
    assert text.count("✓ fixed") == count
    assert text.count("1 file +12 −3") == count
    assert "…" not in text
    assert all(f" {number} builtin " in f" {text} " for number in range(1, count + 1))
    assert max(map(len, text.splitlines())) <= width


def test_who_enforces_which_limit_is_said_once() -> None:
    run = details_of(1)
    limits = {"memory": "cgroup v1", "cpu": "cgroup v1", "disk": "watchdog"}
    run.variations[0].isolation = Isolation(
        backend="bubblewrap", network="gateway only", limits=limits
    )
    assert isolation_line(run).endswith(
        "limits: memory, cpu by cgroup v1; disk by watchdog"
    )


def test_a_screen_that_is_too_small_shows_who_is_at_work_and_counts_the_others() -> (
    None
):
    variations = {number: VariationView(number) for number in range(1, 101)}
    variations[77].state, variations[77].started = "working", datetime.now(UTC)
    console = Console(width=80, height=24)
    with console.capture() as shown:
        console.print(live(RunView(variations=variations), width=80, height=24))
    lines = shown.get().splitlines()
    assert len(lines) <= 24
    assert lines[1].strip().startswith("77 working")
    assert lines[-1] == "and 79 queued"


def test_an_open_answer_says_its_rule_what_would_settle_it_and_what_is_flagged() -> (
    None
):
    run = details_of(2)
    flags = tuple(
        Flag(
            kind=FlagKind.DELETED_TEST,
            path=f"t\x1b[2J{n}.py",
            hunk=0,
            excerpt="-def test():\n+x",
            message="It is gone.",
        )
        for n in range(10)
    )
    assert run.variations[1].verdict
    run.variations[1].verdict = run.variations[1].verdict.model_copy(
        update={"flags": flags}
    )
    run.ranking = rank([v.verdict for v in run.variations if v.verdict][1:])
    console = Console(width=200)
    with console.capture() as shown:
        console.print(conclusion(run))
    text = shown.get()
    assert "No variation is recommended." in text
    assert "To settle it: Look at what is flagged in variation 2" in text
    assert "High: it fixes every test" in text
    assert "⚑ variation 2, t0.py: It is gone.  -def test():" in text
    assert "⚑ variation 2: 2 more" in text
    assert "\x1b[2J" not in text
