"""The façade: open · inspect · submit · get · list · follow · cancel · select.

Every door calls only this.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uuid_utils

from aideator.agents.catalog import AgentEntry, catalog, validate_agent, validate_judge
from aideator.app import continue_run as joining
from aideator.app.decide import Keeping
from aideator.app.demo import Demo
from aideator.changes.diff import FileDiff, parse
from aideator.domain.errors import FieldError, InvalidInput, NotFound, Unavailable
from aideator.domain.events import Complete, RunStarted, Selected
from aideator.domain.project import Project
from aideator.domain.run import (
    AgentConfig,
    AgentSpec,
    ComposedPart,
    Run,
    RunDetails,
    RunSpec,
    RunStatus,
    Variation,
)
from aideator.engine.base import Engine
from aideator.eventlog.base import Draft, Entry
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.repositories.source import SourcePolicy, parse_source
from aideator.settings import Settings, check_prompt_and_lineup
from aideator.store import events as stored_events
from aideator.store import keys, runs
from aideator.store.home import claim_home, make_home
from aideator.store.keys import ApiKey
from aideator.store.session import Database, open_database

if TYPE_CHECKING:
    from aideator.workbench.service import Workbench

Batch = list[Entry]
"""Events that became known together."""


@dataclass(frozen=True)
class Page:
    """Some runs, newest first, and where the next page begins."""

    runs: tuple[Run, ...]
    next: str | None
    """Pass it as `before`; null on the last page."""


class Aideator:
    """An opened AIdeator. Made by `open_app`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        log: SqlEventLog,
        working: tuple[Engine, "Workbench"] | None,
        demo: Demo | None = None,
    ) -> None:
        self.settings = settings
        self.demo = demo
        self.database = database
        self.keeping = Keeping(settings, database, log)
        self._log = log
        self._engine = working[0] if working else None
        self._workbench = working[1] if working else None

    async def submit(
        self,
        spec: RunSpec,
        *,
        local: bool = False,
        idempotency: tuple[str, str] | None = None,
    ) -> Run:
        """Store a run and have it started.

        Args:
            spec: What is asked for.
            local: Whether the submission comes from this machine, so that it may name a
                local path.
            idempotency: The client's key and a hash of its request; the same two lead
                to the same run.

        Raises:
            InvalidInput: naming every wrong field.
            Conflict: if the idempotency key was used for another request.
        """
        self._validate(spec, local=local)
        engine = self._working()
        run = Run(id=str(uuid_utils.uuid7()), spec=spec)
        variations = [
            Variation(run_id=run.id, number=number, spec=agent)
            for number, agent in enumerate(spec.agents(), start=1)
        ]
        async with self.database.write() as session:
            stored = await runs.add(session, run, variations, idempotency=idempotency)
        if (
            stored.id == run.id
        ):  # the same request sent again finds a run that was started, and may have ended
            await self._log.append(run.id, [Draft(RunStarted.of(run))])
            await engine.start(run.id)
        return stored

    def _validate(self, spec: RunSpec, *, local: bool) -> None:
        check_prompt_and_lineup(self.settings, spec.prompt, spec.variations)
        parse_source(spec.repo_url, source_policy(self.settings, local=local))
        wrong = [
            error
            for agent in dict.fromkeys(spec.agents())
            for error in validate_agent(agent)
        ]
        if spec.comparison.judge is not None:
            wrong += self._wrong_with(spec.comparison.judge)
        if wrong:
            raise InvalidInput(fields=wrong)

    def _wrong_with(self, judge: AgentConfig) -> list[FieldError]:
        if not self.settings.has_a_model:
            return [
                FieldError(
                    "comparison.judge",
                    "no ANTHROPIC_API_KEY is set, so there is no model to ask",
                )
            ]
        from aideator.gateway.prices import is_priced  # noqa: PLC0415 - see there

        return validate_judge(
            judge,
            accepts=is_priced if self.settings.is_at_the_provider else lambda _: True,
        )

    async def inspect(
        self, repo_url: str, ref: str | None = None, *, local: bool = False
    ) -> Project:
        """Say how a repository would be set up and checked.

        It is fetched, and nothing of it runs.

        Raises:
            InvalidInput: naming `repo_url`, if that is not allowed here.
            RepositoryError: if it cannot be had, or its `.aideator.toml` cannot be
                understood.
        """
        parse_source(repo_url, source_policy(self.settings, local=local))
        from aideator.app.wiring import inspect  # noqa: PLC0415 - imported late, like `start_engine`

        return await inspect(self.settings, repo_url, ref)

    async def get(self, run_id: str) -> RunDetails:
        """A run with its variations.

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
        """A page of runs, newest first."""
        async with self.database.read() as session:
            found = await runs.page(
                session, before=before, limit=limit + 1, status=status
            )
        return Page(
            runs=tuple(found[:limit]),
            next=found[limit - 1].id if len(found) > limit else None,
        )

    async def latest_durations(self) -> Sequence[tuple[float, int]]:
        """How many seconds the latest finished runs took, and how many variations they had."""
        return await self.database.look(runs.latest_durations)

    async def resolve(self, prefix: str) -> str:
        """The run id that begins or ends with `prefix`, so that people need not type all of it.

        Raises:
            NotFound: if no run or more than one fits.
        """
        async with self.database.read() as session:
            found = await runs.matching(session, prefix)
        if len(found) != 1:
            problem = "more than one run fits" if found else "there is no run"
            raise NotFound(
                f"{problem} {prefix!r}", hint="`aideator list` shows the ids"
            )
        return found[0]

    def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Batch]:
        """The run's events above `after`, in batches, as they come.

        Ends when nothing more will come.
        """
        return self._log.follow(run_id, after=after)

    async def events(
        self, run_id: str, *, after: int = 0, limit: int = 500
    ) -> Sequence[Entry]:
        """A page of the run's events.

        Raises:
            NotFound: if there is no such run.
        """
        await self.get(run_id)
        return await self._log.read(run_id, after=after, limit=limit)

    async def at_end(self, run_id: str, after: int) -> bool:
        """Whether the run is complete and `after` is its last event: nothing more will be heard.

        Raises:
            NotFound: if there is no such run.
        """
        end, kind = await self.database.look(
            lambda connection: stored_events.last(connection, run_id)
        )
        return kind == "complete" and after >= end

    def end_streams(self) -> None:
        """End every follower, now and from now on: the first step of stopping a server.

        Work goes on.

        What people have open in sandboxes ends too, or their requests would hold the
        server up.
        """
        self._log.close()
        if self._workbench is not None:
            self._workbench.close()

    async def patch(self, run_id: str, number: int) -> bytes:
        """What a variation changed, as `git diff --binary` writes it.

        Raises:
            NotFound: if there is no such variation, or it has no patch (yet).
        """
        async with self.database.read() as session:
            await runs.variation(session, run_id, number)
            return await runs.patch(session, run_id, number)

    async def select(self, run_id: str, number: int, reason: str = "") -> RunDetails:
        """Keep a variation as the winner. Doing it again changes nothing.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if the run is not finished, another winner was chosen, or the
                variation changed nothing.
        """
        async with self.database.write() as session:
            before = await runs.get(session, run_id)
            joining.refuse_imported(before)
            await runs.select_winner(session, run_id, number, reason)
        if before.status is not RunStatus.DECIDED:
            chosen = Selected(winning_variation_id=number, reason=reason)
            # A second `complete`, or who follows a decided run would wait behind
            # `selected` for ever.
            await self._log.append(
                run_id, [Draft(chosen), Draft(Complete(status=RunStatus.DECIDED))]
            )
        return await self.get(run_id)

    async def cancel(self, run_id: str, number: int | None = None) -> RunDetails:
        """Stop a run or one of its variations. Stopping what has ended changes nothing.

        Raises:
            NotFound: if there is no such run or variation.
        """
        async with self.database.read() as session:
            await runs.get(session, run_id)
            if number is not None:
                await runs.variation(session, run_id, number)
        await self._working().cancel(run_id, number)
        return await self.get(run_id)

    async def prompt(self, run_id: str, number: int | None, text: str) -> RunDetails:
        """Give one settled variation, or all of them, a follow-up turn on their own trees; verdicts are taken anew.

        Raises:
            InvalidInput: if the prompt is too short or too long.
            NotFound: if there is no such run or variation.
            Conflict: if the variation is still at work.
        """
        if len(text) < MIN_PROMPT:
            raise InvalidInput(
                fields=[FieldError("prompt", f"at least {MIN_PROMPT} characters")]
            )
        check_prompt_and_lineup(self.settings, text, 1)
        return await self._join(run_id, joining.follow_up(text, number))

    async def add(self, run_id: str, agent: AgentSpec) -> RunDetails:
        """Have one more agent work on the run, also while the others do.

        Raises:
            InvalidInput: if there cannot be such an agent.
            NotFound: if there is no such run.
            Conflict: if the run has as many agents as it may.
        """
        return await self._join(
            run_id, joining.add_agent(agent, most=self.settings.max_variations)
        )

    async def compose(self, run_id: str, parts: Sequence[ComposedPart]) -> RunDetails:
        """Put files and hunks of several variations together as a new one, which is judged like every other.

        Raises:
            InvalidInput: naming each part that names what is not there.
            NotFound: if there is no such run.
            Conflict: naming what cannot be taken together.
        """
        return await self._join(run_id, joining.composition(parts))

    async def _join(self, run_id: str, change: joining.Change) -> RunDetails:
        await joining.join(self.database, self._log, self._working(), run_id, change)
        return await self.get(run_id)

    async def diff(self, run_id: str, number: int) -> Sequence[FileDiff]:
        """What a variation changed, as files, hunks and lines.

        Raises:
            NotFound: if there is no such variation, or it has no patch (yet).
        """
        return parse(await self.patch(run_id, number))

    async def create_key(self, name: str) -> tuple[ApiKey, str]:
        """Make an API key. It is returned here and never again."""
        async with self.database.write() as session:
            return await keys.create(session, name)

    async def keys(self) -> Sequence[ApiKey]:
        """All API keys, also the revoked ones, oldest first."""
        async with self.database.read() as session:
            return await keys.every(session)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Make an API key useless, with every session that was traded for it.

        Raises:
            NotFound: if there is no such key.
        """
        async with self.database.write() as session:
            return await keys.revoke(session, key_id)

    async def find_key(self, key: str) -> ApiKey | None:
        """The API key, if it was made here and is not revoked."""
        return await self.database.look(lambda connection: keys.find(connection, key))

    async def is_active_key(self, key_id: str | None = None) -> bool:
        """Whether this key, or any at all when none is named, opens the door."""
        if key_id is None:
            return await self.database.look(keys.any_active)
        return await self.database.look(
            lambda connection: keys.is_active(connection, key_id)
        )

    async def submit_demo(self) -> Run:
        """Start the demo: three scripted agents on its own project.

        Raises:
            Unavailable: if nothing is carried out here, or the demo's project cannot be
                made.
        """
        self._working()
        if self.demo is None:
            raise Unavailable("this AIdeator was opened without its demo")
        return await self.submit(await self.demo.spec(), local=True)

    def agents(self) -> Mapping[str, AgentEntry]:
        """The catalogue."""
        return catalog()

    @property
    def workbench(self) -> "Workbench":
        """Terminals and previews in variations' sandboxes.

        Raises:
            Unavailable: if nothing is carried out here.
        """
        if self._workbench is None:
            raise Unavailable(_READING_ONLY)
        return self._workbench

    def _working(self) -> Engine:
        if self._engine is None:
            raise Unavailable(_READING_ONLY)
        return self._engine


_READING_ONLY = "this AIdeator was opened for reading only"
MIN_PROMPT = 10
"""The fewest characters of a prompt."""


def source_policy(settings: Settings, *, local: bool) -> SourcePolicy:
    """Which repositories may be used."""
    return SourcePolicy(
        allowed_hosts=frozenset(settings.allowed_git_hosts),
        private_hosts=frozenset(settings.private_git_hosts),
        allow_local=local,
    )


@asynccontextmanager
async def open_app(
    settings: Settings, *, work: bool = True, url: str | None = None
) -> AsyncIterator[Aideator]:
    """Open everything that the settings name, and take up unfinished runs.

    Args:
        settings: Where things are and what is allowed.
        work: Whether runs are carried out here. Without, nothing is started and nothing
            can be submitted.
        url: The address at which this process serves; other commands on this machine
            find it by that.

    Raises:
        Unavailable: if another process works in the same state directory, or something
            that runs need is missing.
    """
    home = make_home(settings.aideator_home)
    async with AsyncExitStack() as stack:
        if work:
            stack.enter_context(claim_home(home, url=url))
        database = await stack.enter_async_context(
            open_database(settings.database, echo=settings.database_echo)
        )
        log = await stack.enter_async_context(open_event_log(database))
        demo = Demo(home, stack)
        working = (
            await _start_working(stack, settings, database, log, demo) if work else None
        )
        yield Aideator(settings, database, log, working, demo)


async def _start_working(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    log: SqlEventLog,
    demo: Demo,
) -> tuple[Engine, "Workbench"]:
    from aideator.app.wiring import start_engine  # noqa: PLC0415 - a second of imports that only looking does not need

    return await start_engine(stack, settings, database, log, demo)
