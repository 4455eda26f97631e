"""What is kept of runs: decisions, flags that a person lets pass, winners that live on, files, statistics."""

import asyncio
import hashlib
from collections.abc import Sequence

from aideator.app.continue_run import refuse_imported
from aideator.archive import rows as archive
from aideator.archive.format import Archive, pack, unpack
from aideator.domain.errors import Conflict, ForgeRefused
from aideator.domain.events import (
    Body,
    Complete,
    Deselected,
    FlagsCleared,
    Published,
    VerdictReached,
)
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import (
    SETTLED_RUN,
    Publication,
    Run,
    RunDetails,
    RunStatus,
    Variation,
    Wish,
)
from aideator.eventlog.base import Draft, EventLog
from aideator.selection.rank import finished_verdicts, rank
from aideator.settings import Settings
from aideator.statistics import rows as stats
from aideator.statistics.model import Stats, summarise
from aideator.store import claims, runs
from aideator.store.session import Database


class Keeping:
    """A part of the façade; `Aideator.keeping`."""

    def __init__(self, settings: Settings, database: Database, log: EventLog) -> None:
        self._settings = settings
        self._database = database
        self._log = log

    async def deselect(self, run_id: str) -> RunDetails:
        """Take the decision back. A run without one stays as it is.

        Raises:
            NotFound: if there is no such run.
            Conflict: if the winner was published, or the run is another's answer or
                came from a file.
        """
        async with self._database.write() as session:
            before = await runs.get(session, run_id)
            refuse_imported(before)
            after = await runs.deselect(session, run_id)
        if before.status is RunStatus.DECIDED:
            await self._tell(after, Deselected())
        return await self._details(run_id)

    async def clear(self, run_id: str, number: int, reason: str) -> RunDetails:
        """Let a variation's flags pass, and rank anew.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if it has no flags, or the run came from a file.
        """
        async with self._database.write() as session:
            run = await runs.get(session, run_id)
            refuse_imported(run)
            await claims.clear(session, run_id, number, reason)
            if run.status in SETTLED_RUN:
                run = await runs.note(
                    session,
                    run_id,
                    ranking=_ranked(run, await runs.variations(session, run_id)),
                )
        await self._log.append(
            run_id, [Draft(FlagsCleared(reason=reason))], variation_id=number
        )
        if run.status in SETTLED_RUN and run.ranking is not None:
            await self._tell(run, VerdictReached(ranking=run.ranking))
        return await self._details(run_id)

    async def publish(self, run_id: str, wish: Wish) -> Publication:
        """Push the winner as a branch, and propose it.

        Doing it again changes nothing, or completes what was begun.

        A repository on this machine gets the branch, and no pull request. When a
        follow-up has changed the winner, the branch is moved to the new change.

        Raises:
            NotFound: if there is no such run.
            InvalidInput: if no branch can be called so.
            Conflict: if there is no winner, it may not be pushed, or the branch is
                somebody else's.
            RepositoryError: if the remote refuses the branch.
            ForgeRefused: if the branch was pushed, but no pull request opened.
        """
        from aideator.publishing.publish import Winner, publish  # noqa: PLC0415 - git and HTTP, for this verb alone

        details = await self._details(run_id)
        refuse_imported(details)
        if details.status is not RunStatus.DECIDED or details.winner is None:
            raise Conflict("the run has no winner", hint="select a variation first")
        number, before = details.winner, details.publication
        async with self._database.read() as session:
            patch = await runs.patch(session, run_id, number)
        winner = Winner(
            details,
            details.variations[number - 1],
            patch,
            hashlib.sha256(patch).hexdigest(),
        )
        wanted = wish.pull_request and not details.spec.repo_url.startswith("/")
        if (
            before
            and before.patch_sha256 == winner.sha256
            and (before.pull_request or not wanted)
        ):
            return before
        made, refusal = await publish(self._settings, winner, wish)
        async with self._database.write() as session:
            run = await runs.publish(session, run_id, number, made)
        if made != before:
            await self._tell(run, Published(publication=made))
        if refusal is not None:
            raise ForgeRefused(
                f"pushed as {made.branch}, but the pull request was refused: {refusal}",
                hint=refusal.hint,
            )
        return made

    async def export(self, run_id: str) -> bytes:
        """The run as one file (`app.archive`); the same run gives the same file.

        Known secrets are blanked out.

        Raises:
            NotFound: if there is no such run.
            Conflict: if it has not ended.
            InvalidInput: if it is too large.
        """
        return await asyncio.to_thread(pack, await self._collect(run_id))

    async def import_(self, data: bytes) -> RunDetails:
        """Read a run from a file, to be looked at. Reading it again changes nothing.

        Raises:
            InvalidInput: if it is no export, or is damaged.
            Conflict: if there is a run of this id that says something else.
        """
        read = await asyncio.to_thread(unpack, data)
        details = read.details
        run = Run.model_construct(
            **{name: getattr(details, name) for name in Run.model_fields}
        )
        stored = await self._database.transact(
            lambda connection: archive.restore(
                connection, run, details.variations, read.events, read.patches
            )
        )
        if not stored:
            present = await self._collect(details.id)
            # Events that an earlier version stored keep that version's names. Both
            # sides must have been read from a file to be comparable.
            if await asyncio.to_thread(lambda: unpack(pack(present))) != read:
                raise Conflict(
                    f"there is a run {details.id} already, which says something else"
                )
        return await self._details(details.id)

    async def _collect(self, run_id: str) -> Archive:
        details = await self._details(run_id)
        if details.status not in SETTLED_RUN:
            raise Conflict(
                f"the run is {details.status}",
                hint="wait for its end, or cancel it first",
            )
        lines: list[bytes] = []
        while page := await self._log.read(run_id, after=len(lines), limit=2000):
            lines += [entry.data for entry in page]
        patches = await self._database.look(
            lambda connection: archive.patches(connection, run_id)
        )
        blank = self._blank
        plain = RunDetails.model_validate_json(
            blank(details.model_dump_json(exclude={"imported_at"}).encode())
        )
        return Archive(
            plain,
            tuple(map(blank, lines)),
            {n: blank(patch) for n, patch in patches.items()},
        )

    def _blank(self, text: bytes) -> bytes:
        """A text without the secrets that this server knows, should an agent or a command have come by one."""
        for secret in self._settings.secrets:
            text = text.replace(secret.encode(), b"[secret]")
        return text

    async def stats(self) -> Stats:
        """What the decisions that were made here say."""
        agents, ended = await self._database.look(stats.counted)
        return summarise(agents, ended)

    async def _tell(self, run: Run, body: Body) -> None:
        # A second `complete`, or who follows a settled run would wait behind the news
        # for ever.
        await self._log.append(
            run.id, [Draft(body), Draft(Complete(status=run.status))]
        )

    async def _details(self, run_id: str) -> RunDetails:
        async with self._database.read() as session:
            run = await runs.get(session, run_id)
            variations = await runs.variations(session, run_id)
        return RunDetails.model_construct(**dict(run), variations=tuple(variations))


def _ranked(run: Run, variations: Sequence[Variation]) -> Ranking:
    verdicts, cleared = finished_verdicts(variations)
    return rank(verdicts, run.evidence or Evidence(), cleared=cleared)
