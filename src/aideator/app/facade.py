"""The application facade: submit, follow, cancel, select runs, and read about them.

The command line, the HTTP API and optional packages call only this.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from aideator.agents.catalog import AgentEntry, catalog
from aideator.app import continue_run, decide
from aideator.app.addresses import locate_submission
from aideator.app.api_keys import ApiKeys
from aideator.app.background import Start
from aideator.app.demo import Demo
from aideator.app.host_questions import follow_and_answer
from aideator.app.repositories import Repositories
from aideator.app.submission import find_source, new_run, require_model
from aideator.app.validation import validate_follow_up, validate_submission
from aideator.changes.diff import FileDiff
from aideator.changes.shown import parse_with_renames
from aideator.domain.errors import Unavailable
from aideator.domain.events import RunStarted
from aideator.domain.pages import NEWEST, Page, newest, only_match
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    Run,
    RunDetails,
    RunSpec,
    RunStatus,
)
from aideator.engine.base import Engine
from aideator.eventlog.base import Batch, Draft, Entry
from aideator.eventlog.sql import SqlEventLog
from aideator.settings import Settings
from aideator.store import events as stored_events
from aideator.store import labels, runs
from aideator.store.deletion import delete_run
from aideator.store.session import Database

if TYPE_CHECKING:
    from aideator.engine.context import RunContext


@dataclass(frozen=True)
class Working:
    """The parts that carry runs out in this process."""

    engine: Engine
    context: "RunContext"
    start: Start
    """Starts background tasks, which are cancelled before the engine closes."""


class Resource(Protocol):
    """State that an optional package keeps while the application is open."""

    def close(self) -> None:
        """End what holds requests open. Called when streams end, maybe twice."""


R = TypeVar("R", bound=Resource)


class Aideator(Repositories, ApiKeys):
    """An opened AIdeator. Made by `open_app`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        log: SqlEventLog,
        working: Working | None = None,
        demo: Demo | None = None,
    ) -> None:
        """Combine opened parts.

        Args:
            settings: Limits and what is allowed.
            database: Where runs are stored.
            log: Where their events are.
            working: What carries runs out; None for reading only.
            demo: The demo of the state directory, where there is one.
        """
        Repositories.__init__(self, settings)
        ApiKeys.__init__(self, database)
        self.log = log
        self.demo = demo
        self._working = working
        # The log tells decisions in the order in which they were stored.
        self._deciding = asyncio.Lock()
        self._resources: dict[Callable[[Aideator], Resource], Resource] = {}

    @property
    def working(self) -> Working:
        """What carries runs out here.

        Raises:
            Unavailable: if this AIdeator was opened for reading only.
        """
        if self._working is None:
            raise Unavailable("this AIdeator was opened for reading only")
        return self._working

    def resource(self, open_resource: Callable[["Aideator"], R]) -> R:
        """Return the one resource that a function opens, opened on first use.

        Optional packages keep their state here. It is closed when streams end, and
        before the application closes.

        Args:
            open_resource: Opens the resource; also its key.
        """
        if open_resource not in self._resources:
            self._resources[open_resource] = open_resource(self)
        return cast("R", self._resources[open_resource])

    def opened_resource(self, open_resource: Callable[["Aideator"], R]) -> R | None:
        """Return the resource that a function opens, if it has been opened."""
        return cast("R | None", self._resources.get(open_resource))

    def close_resources(self) -> None:
        """Close what optional packages have opened."""
        for resource in self._resources.values():
            resource.close()

    async def submit(
        self,
        spec: RunSpec,
        *,
        local: bool = False,
        own: bool = False,
        idempotency: tuple[str, str] | None = None,
        find_first: bool = False,
    ) -> Run:
        """Store a run and start it.

        Args:
            spec: The submission.
            local: Whether it may name a path on this machine.
            own: Whether its caller is this process's user, whose files it may use.
            idempotency: The client's key and a hash of its request; the same two lead
                to the same run.
            find_first: Whether to look for a model, and for the repository and its ref
                also on another machine, before a run is stored. On this machine that is
                always done.

        Raises:
            InvalidInput: naming every wrong field.
            RepositoryError: if the repository or its ref was looked for in vain, or a
                browser's address means nothing.
            Conflict: if the idempotency key was used for another request.
        """
        spec = await locate_submission(self.settings, spec, own=own)
        validate_submission(self.settings, spec, local=local, own=own)
        working = self.working
        if find_first:  # a demo is submitted without it
            require_model(self.settings)
        await find_source(working.context.cache, spec, remote=find_first)
        run, variations = new_run(spec)
        async with self.database.write() as session:
            stored = await runs.add(session, run, variations, idempotency=idempotency)
        # A repeated request finds the run of the first one, which was started then and
        # may have ended.
        if stored.id == run.id:
            await self.log.append(run.id, [Draft(RunStarted.of(run))])
            await working.engine.start(run.id)
        return stored

    async def get(self, run_id: str) -> RunDetails:
        """Return a run with its variations.

        Raises:
            NotFound: if there is no such run.
        """
        async with self.database.read() as session:
            run = await runs.get(session, run_id)
            variations = await runs.variations(session, run_id)
        return RunDetails.model_construct(**dict(run), variations=tuple(variations))

    async def list(
        self,
        *,
        before: str | None = None,
        limit: int = 50,
        status: RunStatus | None = None,
    ) -> Page:
        """Return a page of runs, newest first."""
        async with self.database.read() as session:
            found = await runs.page(
                session, before=before, limit=limit + 1, status=status
            )
        return Page(
            runs=tuple(found[:limit]),
            next=found[limit - 1].id if len(found) > limit else None,
        )

    async def latest_durations(self) -> Sequence[tuple[float, int]]:
        """Return seconds and number of variations of the latest finished runs."""
        return await self.database.look(runs.latest_durations)

    async def find(self, part: str) -> Run:
        """Return the run whose id begins or ends with `part`; `@` is the newest.

        Raises:
            NotFound: if no run or more than one fits.
        """
        if part in NEWEST:
            part = newest(await self.list(limit=1))
        async with self.database.read() as session:
            found = await runs.matching(session, part)
            return await runs.get(session, only_match(found, part))

    async def delete(self, run_id: str) -> None:
        """Delete a run that has ended, with its events, patches and results.

        Raises:
            NotFound: if there is no such run.
            Conflict: if it has not ended.
        """
        async with self._deciding, self.database.write() as session:
            await delete_run(session, run_id)

    async def label(
        self, run_id: str, *, title: str | None = None, archived: bool | None = None
    ) -> RunDetails:
        """Name a run, or put it into the archive or back; None leaves that as it is.

        Raises:
            NotFound: if there is no such run.
        """
        async with self.database.write() as session:
            await labels.label(session, run_id, title=title, archived=archived)
        return await self.get(run_id)

    def follow(
        self, run_id: str, *, after: int = 0, interactive: bool = False
    ) -> AsyncGenerator[Batch]:
        """Yield the run's events above the seq `after`, until nothing more will come.

        If `interactive`, set-up asks the follower.
        """
        if interactive and self._working is not None:
            questions = self._working.context.host_questions
            return follow_and_answer(questions, self.log, run_id, after)
        return self.log.follow(run_id, after=after)

    async def events(
        self, run_id: str, *, after: int = 0, limit: int = 500
    ) -> Sequence[Entry]:
        """Return a page of the run's events.

        Raises:
            NotFound: if there is no such run.
        """
        await self.get(run_id)
        return await self.log.read(run_id, after=after, limit=limit)

    async def last_seq(self, run_id: str) -> int:
        """Return the seq of the run's newest event; 0 when there is none yet.

        Raises:
            NotFound: if there is no such run.
        """
        end, _ = await self.database.look(
            lambda connection: stored_events.last(connection, run_id)
        )
        return end

    async def at_end(self, run_id: str, after: int) -> bool:
        """Return whether the run is complete and `after` is its last event.

        Raises:
            NotFound: if there is no such run.
        """
        end, kind = await self.database.look(
            lambda connection: stored_events.last(connection, run_id)
        )
        return kind == "complete" and after >= end

    def end_streams(self) -> None:
        """End every follower, now and from now on: the first step of stopping a server.

        Runs go on. Resources of optional packages close too, or their open requests
        would keep the server from stopping.
        """
        self.log.close()
        self.close_resources()

    async def patch(self, run_id: str, number: int) -> bytes:
        """Return a variation's change, as `git diff --binary` writes it.

        Raises:
            NotFound: if there is no such variation, or it has no patch (yet).
        """
        async with self.database.read() as session:
            await runs.variation(session, run_id, number)
            return await runs.patch(session, run_id, number)

    async def diff(self, run_id: str, number: int) -> Sequence[FileDiff]:
        """Return a variation's change as files, hunks and lines; raises as `patch`."""
        return parse_with_renames(await self.patch(run_id, number))

    async def select(self, run_id: str, number: int, reason: str = "") -> RunDetails:
        """Choose a variation as the winner, also in place of another one.

        Choosing the same one again changes nothing.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if the run is not finished, the variation changed nothing, or the
                winner was published, is another run's or was imported.
        """
        async with self._deciding:
            await decide.select(self.database, self.log, run_id, number, reason)
        return await self.get(run_id)

    async def deselect(self, run_id: str) -> RunDetails:
        """Take the decision back. A run without one stays as it is.

        Raises:
            NotFound: if there is no such run.
            Conflict: if the winner was published, or the run is another's answer or
                was imported.
        """
        async with self._deciding:
            await decide.deselect(self.database, self.log, run_id)
        return await self.get(run_id)

    async def clear(self, run_id: str, number: int, reason: str) -> RunDetails:
        """Clear a variation's flags with a reason, and rank a settled run again.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if it has no flags, or the run was imported.
        """
        await decide.clear(self.database, self.log, run_id, number, reason)
        return await self.get(run_id)

    async def cancel(self, run_id: str, number: int | None = None) -> RunDetails:
        """Stop a run or one of its variations. Stopping what has ended changes nothing.

        Raises:
            NotFound: if there is no such run or variation.
        """
        async with self.database.read() as session:
            run = await runs.get(session, run_id)
            if number is not None:
                await runs.variation(session, run_id, number)
        if run.status is RunStatus.INTERRUPTED:
            if number is not None:
                continue_run.refuse_interrupted(run)
            # Nothing begins: the stop is there before the run's task is.
            await self.resume(run_id)
        await self.working.engine.cancel(run_id, number)
        return await self.get(run_id)

    async def resume(self, run_id: str) -> RunDetails:
        """Take an interrupted run up again. One that is at work stays as it is.

        Raises:
            NotFound: if there is no such run.
            Conflict: if the run has ended.
        """
        engine = self.working.engine
        await continue_run.resume(self.database, self.log, engine, run_id)
        return await self.get(run_id)

    async def prompt(self, run_id: str, number: int | None, text: str) -> RunDetails:
        """Give one settled variation, or all of them, a follow-up turn.

        Each continues on its own tree and gets a new verdict.

        Args:
            run_id: The run.
            number: The variation; None for all that have settled.
            text: The follow-up prompt.

        Raises:
            InvalidInput: if the prompt is too short or too long.
            NotFound: if there is no such run or variation.
            Conflict: if the variation is still at work.
        """
        validate_follow_up(self.settings, text)
        return await self._continue(run_id, continue_run.follow_up(text, number))

    async def add(self, run_id: str, agent: AgentSpec) -> RunDetails:
        """Add one more agent to the run, also while the others work.

        Raises:
            InvalidInput: if there cannot be such an agent.
            NotFound: if there is no such run.
            Conflict: if the run has as many agents as it may.
        """
        most = self.settings.max_variations
        return await self._continue(run_id, continue_run.add_agent(agent, most=most))

    async def compose(self, run_id: str, parts: Sequence[ComposedPart]) -> RunDetails:
        """Combine files and hunks of several variations as a new variation.

        It is checked and ranked like every other.

        Raises:
            InvalidInput: naming each part that does not exist.
            NotFound: if there is no such run.
            Conflict: naming the parts that cannot be combined.
        """
        return await self._continue(run_id, continue_run.composition(parts))

    async def _continue(self, run_id: str, change: continue_run.Change) -> RunDetails:
        engine = self.working.engine
        await continue_run.apply(self.database, self.log, engine, run_id, change)
        return await self.get(run_id)

    async def submit_demo(self) -> Run:
        """Start the demo: three scripted agents on its own project.

        Raises:
            Unavailable: if this AIdeator was opened for reading only or without a demo,
                or the demo's project cannot be made.
        """
        _ = self.working  # refuse before the project is made
        if self.demo is None:
            raise Unavailable("this AIdeator was opened without its demo")
        return await self.submit(await self.demo.spec(), local=True, own=True)

    def agents(self) -> Mapping[str, AgentEntry]:
        """Return the catalogue of agents."""
        return catalog()
