"""Have a judge model compare variations that nothing else tells apart.

Only where the submission asks for it.
"""

from collections.abc import Sequence
from functools import partial

from aideator.agents import catalog
from aideator.domain.ranking import Evidence, Opinion, Ranking
from aideator.domain.run import AgentSpec, Run
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict
from aideator.engine.context import RunContext
from aideator.engine.spending import spending
from aideator.gateway.budget import JUDGE
from aideator.selection.judge import Candidate, ask
from aideator.selection.rank import tied_for_first
from aideator.store import runs


async def seek_opinion(
    context: RunContext,
    run: Run,
    evidence: Evidence,
    ranking: Ranking,
    verdicts: Sequence[Verdict],
) -> Opinion | None:
    """Ask about the best variations, if several with different changes are equal.

    The judge spends from the run's budget. Each of its calls is stored with the
    evidence at once, so that its cost is known even if the process ends before the
    opinion is complete.
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

    async def on_usage(usage: Usage, _model: str | None) -> None:
        spent = evidence.model_copy(update={"judge_usage": usage})
        async with context.database.write() as session:
            await runs.note(session, run.id, evidence=spent)

    model = config.model or catalog.find(AgentSpec().agent).models.default
    async with context.gateway.lease(
        run.id,
        JUDGE,
        run.spec.budget,
        spending=partial(spending, context, run.id),
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
    """Return one variation for each change: equal ones need no comparison."""
    prints = {verdict.variation_id: verdict.fingerprint for verdict in verdicts}
    return [
        *{
            prints[number] or number: number for number in sorted(numbers, reverse=True)
        }.values()
    ][::-1]
