"""A winner in words: the commit's message, and what a pull request says of it.

Some of these words are an agent's, or were chosen by one (names of tests and files). In
Markdown they stand in code, where a forge takes no `@name`, `closes #1` or `/command`
from them; in a commit's message there are none of them.
"""

import re
from collections.abc import Iterable

from aideator.agents.catalog import catalog
from aideator.domain.run import RunDetails, Variation
from aideator.domain.verdict import Change, CheckChange, Verdict

_SUBJECT = 72
"""Characters of a commit's first line."""
_PROMPT, _REASONS, _FLAGS, _COLUMNS = 4_000, 8_000, 4_000, 8
"""Characters of each text, and variations in the table: together less than the 65,536
that GitHub takes."""
_CHANGES = {
    Change.FIXED: "✅ fixed",
    Change.STILL_PASSING: "✅ passes",
    Change.STILL_FAILING: "❌ still fails",
    Change.BROKEN: "❌ broken",
    Change.NEW: "new",
    Change.GONE: "gone",
    Change.FLAKY: "flaky",
}


def subject(details: RunDetails, title: str = "") -> str:
    """One line that says what was done: the title, or the beginning of the prompt."""
    text = " ".join(
        "".join(
            c if c.isprintable() else " " for c in title or details.spec.prompt
        ).split()
    )
    return text if len(text) <= _SUBJECT else text[: _SUBJECT - 1] + "…"


def commit_message(details: RunDetails, number: int, title: str = "") -> str:
    """What was asked, what was proven, and by whom it was made."""
    variation = details.variations[number - 1]
    proven = (
        "\n".join(f"- {line}" for line in _proven(variation.verdict))
        or "- nothing was checked"
    )
    trailers = [
        *(
            f"Co-authored-by: {name} <{agent}@aideator.invalid>"
            for agent, name in _authors(details, variation)
        ),
        f"AIdeator-Run: {details.id}",
        f"AIdeator-Variation: {number} of {len(details.variations)}",
    ]
    return (
        f"{subject(details, title)}\n\nChecked against {(details.commit or '')[:12]}:\n{proven}\n\n"
        + ("\n".join(trailers) + "\n")
    )


def _authors(details: RunDetails, variation: Variation) -> list[tuple[str, str]]:
    """Agent and how it is called, for everyone who had a part in it."""
    numbers = sorted({part.variation_id for part in variation.composed}) or [
        variation.number
    ]
    agents = [
        details.variations[n - 1].spec for n in numbers if n <= len(details.variations)
    ]
    rows = catalog()
    named = [
        (
            s.agent,
            f"{rows[s.agent].title} ({s.model})" if s.model else rows[s.agent].title,
        )
        for s in agents
        if s.agent in rows
    ]
    return list(dict.fromkeys(named))


def _proven(verdict: Verdict | None) -> Iterable[str]:
    for row in verdict.checks if verdict else ():
        yield f"{' '.join(row.check.split())[:200]}: {row.change.replace('_', ' ')}{_tests(row)}"


def _tests(row: CheckChange) -> str:
    told = [
        f"{row.counts[change]} {change.replace('_', ' ')}"
        for change in Change
        if row.counts.get(change)
    ]
    return f" (tests: {', '.join(told)})" if told else ""


def pull_request_body(details: RunDetails, number: int) -> str:
    """The evidence as Markdown: what was asked, checks × variations, the reasons, and what a person has said."""
    winner = details.variations[number - 1]
    parts = [
        "Asked for:",
        _fence(details.spec.prompt, _PROMPT),
        *_choice(details, number),
        "",
        *_table(details, number),
    ]
    if details.ranking and details.ranking.reasons:
        parts += [
            "",
            "Why, from what was run:",
            _fence("\n".join(details.ranking.reasons), _REASONS),
        ]
    if flags := winner.verdict.flags if winner.verdict else ():
        said = (
            f"{winner.cleared}"
            if winner.cleared
            else "nobody has said anything about them yet"
        )
        told = [f"{flag.path}: {flag.message}" for flag in flags]
        parts += [
            "",
            "Flags, and what a person says about them:",
            _fence("\n".join([*told, "", said]), _FLAGS),
        ]
    parts += [
        "",
        f"<sub>AIdeator run {details.id}, variation {number} of {len(details.variations)}.</sub>",
    ]
    return "\n".join(parts) + "\n"


def _choice(details: RunDetails, number: int) -> list[str]:
    ranking = details.ranking
    favoured = ranking.recommended if ranking else None
    sure = (
        f" (confidence: {ranking.confidence})"
        if ranking and favoured is not None
        else ""
    )
    verdict = (
        "No variation was recommended"
        if favoured is None
        else f"Variation {favoured} was recommended{sure}"
    )
    reason = (
        f", with the reason {_code(details.winner_reason)}"
        if details.winner_reason
        else ""
    )
    return [
        f"**Variation {number} of {len(details.variations)}.** {verdict}; a person chose {number}{reason}."
    ]


def _table(details: RunDetails, number: int) -> list[str]:
    others = [v.number for v in details.variations if v.verdict and v.number != number][
        : _COLUMNS - 1
    ]
    shown = [v for v in details.variations if v.number in {number, *others}]
    heads = [
        f"**{v.number}** ← this" if v.number == number else str(v.number) for v in shown
    ]
    rows = [_row("", heads), _row("---", ["---"] * len(shown))]
    for check in details.checks:
        rows.append(
            _row(_code(check.label), [_change(v.verdict, check.label) for v in shown])
        )
    rows.append(_row("change", [_size(v.verdict) for v in shown]))
    rows.append(
        _row("flags", [str(len(v.verdict.flags)) if v.verdict else "" for v in shown])
    )
    costs = [v.usage.cost_usd for v in shown]
    rows.append(
        _row("cost", ["unknown" if cost is None else f"${cost:.4f}" for cost in costs])
    )
    rows.append(
        _row(
            "agent",
            [
                _code(" ".join(filter(None, (v.spec.agent, v.spec.model))))
                for v in shown
            ],
        )
    )
    return rows


def _row(head: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _change(verdict: Verdict | None, label: str) -> str:
    row = (
        next((row for row in verdict.checks if row.check == label), None)
        if verdict
        else None
    )
    return f"{_CHANGES[row.change]}{_tests(row)}" if row else "–"


def _size(verdict: Verdict | None) -> str:
    stats = verdict.patch if verdict else None
    return (
        f"{stats.files} files, +{stats.additions} −{stats.deletions}"
        if stats and stats.files
        else "none"
    )


def _code(text: str) -> str:
    """Foreign text on one line, as code; also within a table."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())[
        :200
    ].replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    return f"{ticks} {flat} {ticks}" if "`" in flat else f"`{flat or ' '}`"


def _fence(text: str, most: int) -> str:
    """Foreign text as a block of code, its beginning if it is long."""
    text = text if len(text) <= most else text[:most] + "\n…"
    kept = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
    ticks = "`" * (4 + max((len(run) for run in re.findall("`+", kept)), default=0))
    return f"{ticks}text\n{kept}\n{ticks}"
