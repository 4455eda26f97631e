"""The course of a run around its variations: begin, reuse an earlier decision, conclude.

Like the steps, each of these may be repeated after a crash and then goes on where it stood.
"""

import hashlib
import json

from aideator.domain.check import Check
from aideator.domain.errors import AideatorError
from aideator.domain.events import Complete, ErrorRaised, RunStarted, VerdictReached
from aideator.domain.run import (
    SETTLED_RUN,
    SETTLED_VARIATION,
    Failure,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.engine.stage import Baseline, Scribe, Stage
from aideator.engine.steps import give_up
from aideator.selection.rank import rank
from aideator.store import reuse, runs
from aideator.workspace.guess import guess_checks


async def begin(stage: Stage, run_id: str) -> tuple[Run, Baseline]:
    """Have the repository at hand and say that the run has started; or answer with an earlier decision.

    Raises:
        AideatorError: if the repository cannot be had.
    """
    async with stage.database.read() as session:
        run = await runs.get(session, run_id)
    commit = await stage.cache.resolve(run.spec.repo_url, run.commit or run.spec.ref)
    checkout = await stage.cache.checkout(commit)
    if run.status is RunStatus.QUEUED:
        run = await _answer_or_start(stage, run, commit.sha, run.spec.checks or guess_checks(checkout.path))
    return run, Baseline(stage, run, checkout)


async def _answer_or_start(stage: Stage, run: Run, commit: str, checks: tuple[Check, ...]) -> Run:
    async with stage.database.write() as session:
        asked = question(commit, run.spec, checks)
        decided = None if run.spec.fresh else await runs.find_decided(session, asked)
        if decided is not None:
            run = await reuse.adopt(session, run.id, decided)
        else:
            run = await runs.move(session, run.id, RunStatus.RUNNING, commit=commit, checks=checks, question=asked)
    await Scribe(stage.log, run.id).write(RunStarted.of(run))
    return run


def question(commit: str, spec: RunSpec, checks: tuple[Check, ...]) -> str:
    """What makes two runs ask the same: commit, prompt, lineup (in any order) and checks."""
    seats = sorted(seat.model_dump_json() for seat in spec.seats())
    asked = [commit, spec.prompt, seats, [check.model_dump_json() for check in checks]]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


async def waiting(stage: Stage, run_id: str) -> list[int]:
    """The variations that are not settled."""
    async with stage.database.read() as session:
        return [v.number for v in await runs.variations(session, run_id) if v.status not in SETTLED_VARIATION]


async def conclude(stage: Stage, run_id: str) -> bool:
    """Compare, recommend, and say that the run is over. False if a variation is waiting after all."""
    async with stage.database.read() as session:
        run, variations = await runs.get(session, run_id), await runs.variations(session, run_id)
    if any(v.status not in SETTLED_VARIATION for v in variations):
        return False
    if run.status not in SETTLED_RUN:
        ranking = rank(v.verdict for v in variations if v.verdict and v.status is VariationStatus.FINISHED)
        await Scribe(stage.log, run_id).write(VerdictReached(ranking=ranking))
        async with stage.database.write() as session:
            # Who has joined since the look above would be left behind: the run goes on for them.
            if any(v.status not in SETTLED_VARIATION for v in await runs.variations(session, run_id)):
                return False
            run = await runs.move(session, run_id, _outcome(variations), ranking=ranking)
    await _announce(stage, run)
    return True


def _outcome(variations: list[Variation]) -> RunStatus:
    ends = {v.status for v in variations}
    if VariationStatus.FINISHED in ends:
        return RunStatus.FINISHED
    return RunStatus.FAILED if VariationStatus.FAILED in ends else RunStatus.CANCELLED


async def _announce(stage: Stage, run: Run) -> None:
    # Last of all: whoever sees `complete` finds the run settled.
    await Scribe(stage.log, run.id).write(Complete(status=run.status))


async def settle(stage: Stage, run_id: str, error: AideatorError) -> None:
    """Give up every variation that is not settled."""
    for number in await waiting(stage, run_id):
        await give_up(stage, run_id, number, error)


async def fail(stage: Stage, run_id: str, error: Exception) -> None:
    """Record that the run came to nothing, and why."""
    failure = Failure(reason=type(error).__name__, message=str(error))
    await Scribe(stage.log, run_id).write(ErrorRaised(**failure.model_dump()))
    for number in await waiting(stage, run_id):
        await give_up(stage, run_id, number, error)
    async with stage.database.write() as session:
        run = await runs.move(session, run_id, RunStatus.FAILED, failure=failure)
    await _announce(stage, run)
