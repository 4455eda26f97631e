"""Hosts that set-ups ask for: follow a run to be asked, answer, take an answer back."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from aideator.domain.events import HostAnswered
from aideator.domain.hosts import AllowedHost, HostAnswer
from aideator.eventlog.base import Draft, Entry
from aideator.store import allowed_hosts, runs

if TYPE_CHECKING:
    from aideator.app.facade import Aideator

_STORED = {HostAnswer.REPOSITORY, HostAnswer.ALWAYS}


async def follow_and_answer(
    app: "Aideator", run_id: str, after: int
) -> AsyncGenerator[list[Entry]]:
    """Yield a run's events for somebody who can answer its questions."""
    questions = app.working.context.host_questions
    with questions.presence(run_id):
        async with aclosing(app.log.follow(run_id, after=after)) as batches:
            async for batch in batches:
                yield batch


async def answer_host(
    app: "Aideator", run_id: str, host: str, answer: HostAnswer, *, local: bool = False
) -> None:
    """Answer whether a run's set-up may reach a host that it asks for.

    Args:
        app: The application.
        run_id: The run.
        host: As in the question: `host:port`.
        answer: Whether, and for which runs.
        local: Whether the answer comes from this machine: the host may then have a
            private address.

    Raises:
        NotFound: if there is no such run.
        Conflict: if its set-up does not wait for this answer.
    """
    async with app.database.read() as session:
        run = await runs.get(session, run_id)
    everywhere = answer is HostAnswer.ALWAYS
    allowed = AllowedHost(
        host=host,
        repository="" if everywhere else run.spec.repo_url,
        private=local,
    )
    refused = answer in {HostAnswer.REFUSE, HostAnswer.NOBODY}
    questions = app.working.context.host_questions
    questions.answer(run_id, host, None if refused else allowed)
    if answer in _STORED:
        async with app.database.write() as session:
            await allowed_hosts.allow(session, allowed)
    await app.log.append(run_id, [Draft(HostAnswered(host=host, answer=answer))])


async def list_hosts(app: "Aideator") -> Sequence[AllowedHost]:
    """Return the hosts that people have allowed, for a repository or always."""
    async with app.database.read() as session:
        return await allowed_hosts.every(session)


async def forget_host(app: "Aideator", host: str) -> Sequence[AllowedHost]:
    """Allow a host no more; return what was allowed.

    Raises:
        NotFound: if nobody has allowed it.
    """
    async with app.database.write() as session:
        return await allowed_hosts.forget(session, host)
