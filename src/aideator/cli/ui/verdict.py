"""Word how a run has ended: whose choice it is, what the platform found, and why.

A person's choice and the platform's recommendation are told apart. Variations that
nothing tells apart are told as equal, whichever of them comes first.
"""

from collections.abc import Sequence

from rich.text import Text

from aideator.cli.ui.escape import escape, one_line
from aideator.cli.ui.next_steps import equals
from aideator.cli.ui.outputs import FEW_LINES, end_of_output
from aideator.domain import wording
from aideator.domain.ranking import Ranking
from aideator.domain.run import RunDetails, Variation
from aideator.domain.verdict import Verdict

_BRIEF_REASONS, _BRIEF_WIDTH = 3, 150
_REASON_WIDTH = 400


def verdict_lines(details: RunDetails, *, brief: bool) -> list[Text]:
    """Return how a run has ended, the outcome first.

    Args:
        details: The run.
        brief: Whether to leave out what `aideator show` says as well.
    """
    lines = _failure(details)
    ranking = details.ranking
    if details.winner is not None:
        lines += _choice(details)
        return lines if brief else [*lines, *_reasons(ranking)]
    if ranking is None:
        return lines
    lines += _recommendation(details, ranking)
    lines += _brief_reasons(details, ranking) if brief else _reasons(ranking)
    if ranking.settle:
        lines.append(Text(f"To settle it: {escape(ranking.settle)}"))
    if ranking.rule and not brief:
        lines.append(Text(f"The rule: {escape(ranking.rule)}", style="dim"))
    return lines


def _failure(details: RunDetails) -> list[Text]:
    if details.failure is None:
        return []
    message = escape(details.failure.message)
    lines = [Text(f"The run failed: {message}", style="red")]
    if details.failure.output:
        lines.append(end_of_output(details.failure.output, lines=FEW_LINES))
    return lines


def _choice(details: RunDetails) -> list[Text]:
    """Return which variation was chosen and why, then what the platform says."""
    reused = details.reused_from
    before = f", decided before in run {reused[-8:]}" if reused else ""
    reason = one_line(details.winner_reason, _REASON_WIDTH)
    why = f": {reason}" if reason else ", without a reason"
    winner = f"Winner: variation {details.winner}{before}."
    lines = [
        Text(winner, style="bold green"),
        Text(f"  Chosen by a person{why}"),
    ]
    if details.ranking:
        found = " ".join(_headline(details, details.ranking))
        lines.append(Text(f"  AIdeator itself: {found}", style="dim"))
    return lines


def _recommendation(details: RunDetails, ranking: Ranking) -> list[Text]:
    style = "bold green" if details.recommended is not None else "bold yellow"
    first, *rest = _headline(details, ranking)
    return [Text(first, style=style), *(Text(f"  {line}") for line in rest)]


def _headline(details: RunDetails, ranking: Ranking) -> list[str]:
    tied = equals(details)
    if ranking.recommended is None or len(tied) < 2:
        return [f"{wording.recommendation(ranking)}."]
    sure = wording.confidence_words(ranking.confidence)
    return [
        f"{' or '.join(map(str, tied))}: equally proven ({sure}).",
        f"{ranking.recommended} comes first by {_why_first(ranking)} alone. "
        f"{_difference(details, tied)}",
    ]


def _why_first(ranking: Ranking) -> str:
    has_opinion = any("prefers variation" in reason for reason in ranking.reasons)
    return "the judge's preference" if has_opinion else "its number"


def _difference(details: RunDetails, tied: Sequence[int]) -> str:
    """Return in what equals differ: files that not all change, and size."""
    found = [verdict for verdict in verdicts(details) if verdict.variation_id in tied]
    prints = {verdict.fingerprint for verdict in found}
    if len(prints) == 1 and prints != {""}:
        return "They made the same change."
    sizes = [f"{v.variation_id}: {wording.patch_size(v.patch)}" for v in found]
    return f"They differ{_where(found)} ({', '.join(sizes)})."


def verdicts(details: RunDetails) -> list[Verdict]:
    """Return the verdicts that there are, in the order of the variations."""
    return [each.verdict for each in details.variations if each.verdict]


def _where(found: Sequence[Verdict]) -> str:
    """Return the files that not all of them change, or else those that all change."""
    paths = [set(verdict.paths) for verdict in found]
    every, shared = set.union(*paths), set.intersection(*paths)
    apart = sorted(every - shared) or sorted(every)
    if not apart:
        return ""
    names = f" in {wording.quoted(apart, len(apart))}"
    changers = [str(v.variation_id) for v in found if apart[0] in v.paths]
    if len(apart) > 1 or len(changers) == len(found):
        return names
    return f"{names}, which only {wording.joined(changers)} changes"


def _reasons(ranking: Ranking | None) -> list[Text]:
    if ranking is None:
        return []
    return [Text(f"  · {escape(reason)}") for reason in ranking.reasons]


def _brief_reasons(details: RunDetails, ranking: Ranking) -> list[Text]:
    """Return the first reasons, all but the first in one line each."""
    # The headline says that already.
    tie = f"{wording.variations(equals(details))} prove the same"
    first, *others = [
        one_line(reason, _BRIEF_WIDTH)
        for reason in ranking.reasons
        if not reason.startswith(tie)
    ]
    shown = others[: _BRIEF_REASONS - 1]
    return [
        Text(f"  · {first}"),
        *(Text(f"  · {each}", no_wrap=True, overflow="ellipsis") for each in shown),
    ]


def flag_lines(variation: Variation, *, most: int) -> list[Text]:
    """Return what a person has to clear, each with the first line of its excerpt."""
    flags = variation.verdict.flags if variation.verdict else ()
    style = "yellow" if variation.cleared is None else "dim"
    head = f"⚑ variation {variation.number}"
    lines: list[str] = []
    for flag in flags[:most]:
        excerpt = one_line(flag.excerpt.partition("\n")[0], 80)
        line = f"{head}, {one_line(wording.flag_line(flag), 240)}"
        lines.append(f"{line}  {excerpt}" if excerpt else line)
    if len(flags) > most:
        lines.append(f"{head}: {len(flags) - most} more")
    return [Text(line, style=style) for line in lines]
