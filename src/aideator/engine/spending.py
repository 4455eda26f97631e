"""What a run has spent on models so far, as the database knows it."""

from collections.abc import Mapping

from aideator.domain.run import Run
from aideator.domain.usage import Usage
from aideator.engine.context import RunContext
from aideator.gateway.budget import JUDGE
from aideator.store import runs


async def spending(context: RunContext, run_id: str) -> Mapping[int, Usage]:
    """Return the usage of each variation, and of the run's judge (`JUDGE`).

    Nothing else calls a model: set-up and checks run the project's own commands.
    """
    async with context.database.read() as session:
        run = await runs.get(session, run_id)
        variations = await runs.variations(session, run_id)
    spent = {variation.number: variation.usage for variation in variations}
    return {JUDGE: judge_usage(run), **spent}


def judge_usage(run: Run) -> Usage:
    """Return what the run's judge has used, in all of its comparisons."""
    return Usage() if run.evidence is None else run.evidence.spent_on_judge
