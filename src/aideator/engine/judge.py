"""Have a judge model compare the variations that nothing else tells apart, where the submission asks for it."""

from collections.abc import Sequence

from aideator.agents import catalog
from aideator.domain.ranking import Opinion, Ranking
from aideator.domain.run import AgentSpec, Run
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict
from aideator.engine.context import RunContext
from aideator.selection.judge import Candidate, ask
from aideator.selection.rank import tied_for_first
from aideator.store import runs

JUDGE = 0
"""The variation whose account the judge draws on: none of them."""


async def seek_opinion(
    context: RunContext, run: Run, ranking: Ranking, verdicts: Sequence[Verdict]
) -> Opinion | None:
    """Ask about the best, if several stand there with different changes.

    It spends from the run's budget.
    """
    config = run.spec.comparison.judge
    numbers = _different(tied_for_first(ranking), verdicts)
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
        """What the judge costs is told with its opinion."""

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
    """One variation for each change: the same one made twice needs no comparison."""
    prints = {verdict.variation_id: verdict.fingerprint for verdict in verdicts}
    return [
        *{
            prints[number] or number: number for number in sorted(numbers, reverse=True)
        }.values()
    ][::-1]
