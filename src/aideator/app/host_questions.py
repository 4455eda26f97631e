"""Hosts that set-ups ask for: follow a run to be asked, answer, take an answer back."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from aideator.domain.events import HostAnswered
from aideator.domain.hosts import AllowedHost, HostAnswer
from aideator.eventlog.base import Draft, Entry
from aideator.eventlog.sql import SqlEventLog
from aideator.store import allowed_hosts, runs
from aideator.store.session import Database

if TYPE_CHECKING:
    from aideator.engine.context import RunContext
    from aideator.engine.host_questions import HostQuestions


class HasContext(Protocol):
    """What carries runs out."""

    @property
    def context(self) -> "RunContext":
        """The services that runs use."""
        ...


class App(Protocol):
    """What is needed of the application."""

    database: Database
    log: SqlEventLog

    @property
    def working(self) -> HasContext:
        """What carries runs out here."""
        ...


_STORED = {HostAnswer.REPOSITORY, HostAnswer.ALWAYS}


async def follow_and_answer(
    questions: "HostQuestions", log: SqlEventLog, run_id: str, after: int
) -> AsyncGenerator[list[Entry]]:
    """Yield a run's events for somebody who can answer its questions."""
    with questions.presence(run_id):
        async with aclosing(log.follow(run_id, after=after)) as batches:
            async for batch in batches:
                yield batch


async def answer_host(
    app: App, run_id: str, host: str, answer: HostAnswer, *, local: bool = False
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


async def list_hosts(app: App) -> Sequence[AllowedHost]:
    """Return the hosts that people have allowed, for a repository or always."""
    async with app.database.read() as session:
        return await allowed_hosts.every(session)


async def forget_host(app: App, host: str) -> Sequence[AllowedHost]:
    """Allow a host no more; return what was allowed.

    Raises:
        NotFound: if nobody has allowed it.
    """
    async with app.database.write() as session:
        return await allowed_hosts.forget(session, host)
