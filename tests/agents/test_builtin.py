"""The built-in agent at work: real sandbox, real gateway, a scripted model at the far end."""

from contextlib import aclosing

from aideator.agents.catalog import make_agent
from aideator.domain.events import Body
from aideator.domain.run import AgentSpec
from tests.agents.conftest import Open, Place

BUILTIN = AgentSpec()


async def work(place: Place, seat: AgentSpec = BUILTIN, prompt: str = "Make add() add.") -> list[Body]:
    bodies: list[Body] = []
    async with aclosing(make_agent(seat).run(prompt, place.sandbox, place.token)) as drafts:
        async for draft in drafts:
            bodies.append(draft.body)
    return bodies


async def test_the_agent_changes_the_workspace(place: Open) -> None:
    async with place("one_edit", binds=make_agent(BUILTIN).binds) as here:
        await work(here)
        assert "a + b" in (here.workspace / "calc.py").read_text()
