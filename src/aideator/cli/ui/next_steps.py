"""Name the commands that fit how a run has ended."""

from aideator.cli.ui.program import program
from aideator.domain.run import RunDetails, RunStatus, VariationStatus
from aideator.selection.rank import tied_for_first

SHOWN_ID = 8
"""Last characters of a run's id: enough to name it."""


def next_steps(details: RunDetails) -> list[str]:
    """Return the commands that a person would type next, the likeliest first."""
    run = details.id[-SHOWN_ID:]
    return [f"{program()} {step}" for step in _steps(details, run)]


def equals(details: RunDetails) -> tuple[int, ...]:
    """Return the variations that share the first place; empty where there is none.

    Those that changed nothing are left out.
    """
    changed = {
        each.number
        for each in details.variations
        if each.verdict and not each.verdict.unchanged
    }
    tied = tied_for_first(details.ranking) if details.ranking else ()
    return tuple(sorted(changed.intersection(tied)))


def _steps(details: RunDetails, run: str) -> list[str]:
    if details.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        # A run that failed before its agents started has said all that there is.
        started = any(each.started_at for each in details.variations)
        return [f"show {run}"] if started else []
    if details.winner is not None:
        return [f"diff {run}", f"apply {run}", f"publish {run}"]
    if details.recommended is None:
        return _steps_to_settle(details, run)
    return _steps_with(details, run, details.recommended)


def _steps_with(details: RunDetails, run: str, number: int) -> list[str]:
    others = [each for each in equals(details) if each != number]
    return [
        *(f"diff {run} {each}" for each in (number, *others[:2])),
        f'select {run} {number} --reason "…"',
        f"apply {run} {number}",
    ]


def _steps_to_settle(details: RunDetails, run: str) -> list[str]:
    contenders = equals(details) or tuple(
        each.number
        for each in details.variations
        if each.status is VariationStatus.FINISHED
        and each.verdict
        and not each.verdict.unchanged
    )
    if not contenders:
        return [f"show {run}", f'prompt {run} all "…"']
    diffs = [f"diff {run} {number}" for number in contenders[:3]]
    return [*diffs, f'select {run} {contenders[0]} --reason "…"']
