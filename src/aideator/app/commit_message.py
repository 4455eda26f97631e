"""The message of a commit that holds a variation's change.

It contains none of the text that agents choose (such as names of tests and files):
a forge would take `@name`, `closes #1` or `/command` from it.
"""

from collections.abc import Iterator

from aideator.agents.catalog import catalog
from aideator.domain.run import AgentSpec, RunDetails, Variation
from aideator.domain.verdict import Change, Verdict
from aideator.domain.visible import visible_line
from aideator.domain.wording import change_counts

_SUBJECT = 72
"""Characters of a commit's first line."""
_CHECK = 200
"""Characters of a check's command."""


def subject(details: RunDetails, title: str = "") -> str:
    """Return one line that says what was done: the title, or the prompt's beginning."""
    words = title or details.spec.prompt
    text = visible_line(words)
    return text if len(text) <= _SUBJECT else text[: _SUBJECT - 1] + "…"


def commit_message(details: RunDetails, number: int, title: str = "") -> str:
    """Return the message: what was asked, what the checks showed, and who wrote it.

    Args:
        details: The run.
        number: The variation whose change is committed.
        title: The first line; the beginning of the prompt when empty.
    """
    variation = details.variations[number - 1]
    checks = [f"- {line}" for line in _check_lines(variation.verdict)]
    trailers = [
        *_co_authors(details, variation),
        f"AIdeator-Run: {details.id}",
        f"AIdeator-Variation: {number} of {len(details.variations)}",
    ]
    base = (details.commit or "")[:12]
    if details.spec.path:
        base += f" in {visible_line(details.spec.path)[:_CHECK]}"
    paragraphs = [
        subject(details, title),
        "\n".join([f"Checked against {base}:", *(checks or ["- nothing was checked"])]),
        "\n".join(trailers),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _check_lines(verdict: Verdict | None) -> Iterator[str]:
    # Publishing again must make the same commit, so these words must not change.
    for row in verdict.checks if verdict else ():
        check = visible_line(row.check)[:_CHECK]
        counts = change_counts(row, Change)
        tests = f" (tests: {counts})" if counts else ""
        yield f"{check}: {row.change.replace('_', ' ')}{tests}"


def _co_authors(details: RunDetails, variation: Variation) -> list[str]:
    """Return one trailer for each different agent that had a part in the change."""
    numbers = sorted({part.variation_id for part in variation.composed})
    agents = [
        details.variations[number - 1].spec
        for number in numbers or [variation.number]
        if number <= len(details.variations)
    ]
    trailers = [_co_author(agent) for agent in agents if agent.agent in catalog()]
    return list(dict.fromkeys(trailers))


def _co_author(spec: AgentSpec) -> str:
    title = catalog()[spec.agent].title
    name = f"{title} ({spec.model})" if spec.model else title
    return f"Co-authored-by: {name} <{spec.agent}@aideator.invalid>"
