"""Ask a judge model about variations that nothing else tells apart, if requested."""

from collections.abc import Sequence

from aideator.agents import catalog
from aideator.domain.ranking import Opinion, Ranking
from aideator.domain.run import AgentSpec, Run
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict
from aideator.engine.context import RunContext
from aideator.selection.judge import Candidate, ask
from aideator.selection.rank import equals
from aideator.store import runs

JUDGE = 0
"""The variation number of the judge's lease; variations count from 1."""


async def ask_judge(
    context: RunContext, run: Run, ranking: Ranking, verdicts: Sequence[Verdict]
) -> Opinion | None:
    """Ask which of the best is better, if several with different changes are equal.

    Spends from the run's budget.

    Args:
        context: The services.
        run: The run; its evidence may hold an earlier opinion.
        ranking: The ranking without an opinion.
        verdicts: The verdicts on all variations.

    Returns:
        The opinion, or None if the submission asks for none or nothing is to compare.
    """
    config = run.spec.comparison.judge
    numbers = _different(equals(ranking), verdicts)
    if config is None or len(numbers) < 2:
        return None
    async with context.database.read() as session:
        candidates = [
            Candidate(number, await runs.patch(session, run.id, number))
            for number in numbers
        ]
        spent = sum((v.usage for v in await runs.variations(session, run.id)), Usage())
    earlier = (
        run.evidence.opinion.usage if run.evidence and run.evidence.opinion else Usage()
    )

    async def on_usage(usage: Usage, model: str | None) -> None:
        """Do nothing: the judge's cost is reported with its opinion."""

    model = config.model or catalog.find(AgentSpec().agent).models.default
    async with context.gateway.lease(
        run.id,
        JUDGE,
        run.spec.budget,
        spent=earlier,
        run_spent=spent,
        on_usage=on_usage,
    ) as lease:
        return await ask(
            candidates,
            task=run.spec.prompt,
            seed=run.id,
            config=config.model_copy(update={"model": model}),
            lease=lease,
            socket=context.gateway.socket,
        )


def _different(numbers: Sequence[int], verdicts: Sequence[Verdict]) -> list[int]:
    """Return the first variation of each change: equal ones need no comparison."""
    prints = {verdict.variation_id: verdict.fingerprint for verdict in verdicts}
    first: dict[object, int] = {}
    for number in sorted(numbers):
        first.setdefault(prints[number] or number, number)
    return list(first.values())
