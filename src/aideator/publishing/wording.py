"""The body of a pull request: the evidence for a winner as Markdown.

Some of the text is an agent's, or was chosen by one (names of tests and files). It
stands in code, where a forge takes no `@name`, `closes #1` or `/command` from it.
"""

import re
from collections.abc import Iterable

from aideator.domain.run import RunDetails, Variation
from aideator.domain.verdict import Change, Verdict
from aideator.domain.visible import visible_line, visible_text
from aideator.domain.wording import (
    change_counts,
    check_word,
    flag_line,
    money,
    patch_size,
    recommendation,
)

_PROMPT, _REASONS, _FLAGS, _COLUMNS = 4_000, 8_000, 4_000, 8
"""Characters of each text, and variations in the table: together less than the 65,536
that GitHub takes."""
_CELL = 200
"""Characters of a table's cell."""
_MARKS = {
    Change.FIXED: "✅ ",
    Change.STILL_PASSING: "✅ ",
    Change.STILL_FAILING: "❌ ",
    Change.BROKEN: "❌ ",
}


def pull_request_body(details: RunDetails, number: int) -> str:
    """Return the evidence as Markdown.

    The prompt, a table of checks and variations, the reasons of the ranking, and what
    a person has said about flags.

    Args:
        details: A decided run.
        number: Its winner.
    """
    parts = [
        "Asked for:",
        _fence(details.spec.prompt, _PROMPT),
        *(
            [f"In the folder {_code(details.spec.path)}.", ""]
            if details.spec.path
            else ()
        ),
        _choice(details, number),
        "",
        *_table(details, number),
        *_reasons(details),
        *_flags(details.variations[number - 1]),
        "",
        f"<sub>AIdeator run {details.id}, variation {number} of "
        f"{len(details.variations)}.</sub>",
    ]
    return "\n".join(parts) + "\n"


def _choice(details: RunDetails, number: int) -> str:
    reason = details.winner_reason
    because = f", with the reason {_code(reason)}" if reason else ""
    return (
        f"**Variation {number} of {len(details.variations)}.** "
        f"{recommendation(details.ranking)}; a person chose {number}{because}."
    )


def _reasons(details: RunDetails) -> list[str]:
    if details.ranking is None or not details.ranking.reasons:
        return []
    text = "\n".join(details.ranking.reasons)
    return ["", "Why, from what was run:", _fence(text, _REASONS)]


def _flags(winner: Variation) -> list[str]:
    if winner.verdict is None or not winner.verdict.flags:
        return []
    lines = [flag_line(flag) for flag in winner.verdict.flags]
    answer = winner.cleared or "not answered yet"
    text = "\n".join([*lines, "", answer])
    return ["", "Flags, and what a person says about them:", _fence(text, _FLAGS)]


def _table(details: RunDetails, number: int) -> list[str]:
    """Return a table of checks and variations, with the winner among the columns."""
    judged = [v.number for v in details.variations if v.verdict and v.number != number]
    columns = {number, *judged[: _COLUMNS - 1]}
    shown = [v for v in details.variations if v.number in columns]
    heads = [_head(v.number, number) for v in shown]
    checks = [_check_row(check.label, shown) for check in details.checks]
    return [
        _row("", heads),
        _row("---", ["---"] * len(shown)),
        *checks,
        _row("change", [_size(v.verdict) for v in shown]),
        _row("flags", [_flag_count(v.verdict) for v in shown]),
        _row("cost", [money(v.usage.cost_usd) for v in shown]),
        _row("agent", [_agent(v) for v in shown]),
    ]


def _head(number: int, winner: int) -> str:
    return f"**{number}** ← this" if number == winner else str(number)


def _row(head: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _check_row(label: str, shown: Iterable[Variation]) -> str:
    return _row(_code(label), [_change(v.verdict, label) for v in shown])


def _change(verdict: Verdict | None, label: str) -> str:
    row = verdict.check(label) if verdict else None
    if row is None:
        return "–"
    counts = change_counts(row)
    tests = f" (tests: {counts})" if counts else ""
    return f"{_MARKS.get(row.change, '')}{check_word(row)}{tests}"


def _size(verdict: Verdict | None) -> str:
    return patch_size(verdict.patch if verdict else None)


def _flag_count(verdict: Verdict | None) -> str:
    return str(len(verdict.flags)) if verdict else ""


def _agent(variation: Variation) -> str:
    spec = variation.spec
    return _code(f"{spec.agent} {spec.model}" if spec.model else spec.agent)


def _code(text: str) -> str:
    """Return foreign text on one line, as code; also within a table."""
    flat = visible_line(text)[:_CELL].replace("|", "\\|")
    if "`" not in flat:
        return f"`{flat or ' '}`"
    ticks = "`" * (1 + _longest_ticks(flat))
    return f"{ticks} {flat} {ticks}"


def _fence(text: str, most: int) -> str:
    """Return foreign text as a block of code, at most its first `most` characters."""
    shown = visible_text(text)
    kept = shown if len(shown) <= most else shown[:most] + "\n…"
    ticks = "`" * (4 + _longest_ticks(kept))
    return f"{ticks}text\n{kept}\n{ticks}"


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
