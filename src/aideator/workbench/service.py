"""Terminals and previews in variations' sandboxes: open, find, close.

`sandboxes.py` describes the sandboxes.
"""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aideator.app import Aideator
from aideator.domain.errors import Conflict, NotFound, TooManyRequests
from aideator.engine.active import VISITS, ActiveAgent
from aideator.engine.context import RunContext
from aideator.engine.failures import run_or_record_failure
from aideator.sandbox.base import Size
from aideator.workbench.model import Place, Preview, Terminal, WorkbenchState
from aideator.workbench.preview import LivePreview
from aideator.workbench.sandboxes import (
    RETRY_HINT,
    InspectionSandbox,
    InspectionSandboxes,
)
from aideator.workbench.terminal import LiveTerminal

if TYPE_CHECKING:
    from aideator.api.auth import Credential

MOST = 8
"""Terminals, and previews, that may be open at one variation."""
_REMEMBERED = 16
"""Terminals that have ended and are kept, so that a reader can still learn how."""
_SHELL = "command -v bash > /dev/null && exec bash --norc --noprofile -i; exec sh -i"


def workbench_of(app: Aideator) -> "Workbench":
    """Return the workbench of an application, opened on first use.

    Raises:
        Unavailable: if the application was opened for reading only.
    """
    return app.resource(_open_workbench)


def opened_workbench(app: Aideator) -> "Workbench | None":
    """Return the workbench of an application, if it has been opened."""
    return app.opened_resource(_open_workbench)


def _open_workbench(app: Aideator) -> "Workbench":
    working, settings = app.working, app.settings
    sandboxes = InspectionSandboxes(
        working.context,
        working.start,
        most=settings.max_workbenches,
        idle=settings.workbench_idle_timeout,
    )
    return Workbench(app, sandboxes)


class Workbench:
    """Terminals and previews that are open in this process. See `workbench_of`."""

    def __init__(self, app: Aideator, sandboxes: InspectionSandboxes) -> None:
        """Create a workbench where nothing is open.

        Args:
            app: An application that carries out runs.
            sandboxes: The inspection sandboxes.
        """
        self._context: RunContext = app.working.context
        self._start = app.working.start
        self._sandboxes = sandboxes
        self._terminals: dict[str, LiveTerminal] = {}
        self._previews: dict[str, tuple[InspectionSandbox, LivePreview]] = {}

    async def state(self, run_id: str, number: int) -> WorkbenchState:
        """Return what is open at a variation, and whether more can be opened.

        Raises:
            NotFound: if there is no such run or variation.
        """
        place, reason = None, None
        try:
            place = (await self._sandboxes.find(run_id, number))[2]
        except Conflict as refusal:
            reason = f"{refusal}; {refusal.hint}"
        return WorkbenchState(
            terminals=tuple(
                live.details
                for live in self._terminals.values()
                if _is_at(live.details, run_id, number)
            ),
            previews=tuple(
                live.details
                for sandbox, live in self._previews.values()
                if _is_at(live.details, run_id, number) and not sandbox.over.is_set()
            ),
            place=place,
            reason=reason,
        )

    async def open_terminal(
        self,
        run_id: str,
        number: int,
        size: Size,
        command: str | None = None,
        *,
        opener: "Credential | None" = None,
    ) -> Terminal:
        """Open a terminal.

        Args:
            run_id: The run.
            number: The variation.
            size: Rows and columns, in characters.
            command: What runs in it; a shell when absent.
            opener: Who opens it, for `close_all_of`.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is no sandbox to open now; it says why, and what would
                help.
            TooManyRequests: if as many are open as may be.
        """
        async with self._sandboxes.enter(run_id, number) as (opened, sandbox):
            # Requests that are still opening a terminal count as well, but for this
            # one: many may come at once.
            others = [
                user for user in opened.users if not isinstance(user, LivePreview)
            ]
            _refuse_above_limit(len(others) - 1, "terminals")
            details = Terminal(
                id=secrets.token_hex(16),
                run_id=run_id,
                variation_id=number,
                command=command,
                place=opened.place,
                opened_at=datetime.now(UTC),
                **size._asdict(),
            )
            env = {"TERM": "xterm-256color", "PS1": f"variation {number}:${{PWD}}$ "}
            argv = ["sh", "-c", _SHELL if command is None else command]
            turn = self._record_use(opened, "terminal")
            process = await sandbox.spawn(argv, env=env, cwd=opened.cwd, terminal=size)
            live = LiveTerminal(
                process, details, on_use=opened.use, explain=opened.explain
            )
            if turn is not None:
                turn.on_end.append(lambda: live.close(opened.end))
            self._terminals[details.id] = live
            live.opener = opener
            opened.users.add(live)
            self._start(run_or_record_failure(self._run(opened, live)))
            return details

    async def _run(self, opened: InspectionSandbox, live: LiveTerminal) -> None:
        """Run a terminal to its end, and forget the oldest that have ended."""
        try:
            await live.run()
        finally:
            opened.dismiss(live)
            ended = [
                key for key, terminal in self._terminals.items() if terminal.has_ended
            ]
            for key in ended[:-_REMEMBERED]:
                del self._terminals[key]

    async def open_preview(
        self,
        run_id: str,
        number: int,
        port: int,
        page: str,
        *,
        opener: "Credential | None" = None,
    ) -> Preview:
        """Open a preview of a port, whether something listens there yet or not.

        Args:
            run_id: The run.
            number: The variation.
            port: Where a server of the project listens inside, or will.
            page: The origin of the page that will show it.
            opener: Who opens it, for `close_all_of`.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is no sandbox to open now; it says why, and what would
                help.
            TooManyRequests: if as many are open as may be.
        """
        async with self._sandboxes.enter(run_id, number) as (opened, sandbox):
            others = [user for user in opened.users if isinstance(user, LivePreview)]
            _refuse_above_limit(len(others), "previews")
            details = Preview(
                id=secrets.token_hex(16),
                run_id=run_id,
                variation_id=number,
                port=port,
                place=opened.place,
            )
            live = LivePreview(
                sandbox,
                details,
                page,
                opened.connections,
                on_use=opened.use,
                explain=opened.explain,
            )
            self._record_use(opened, "preview")
            self._previews[details.id] = (opened, live)
            live.opener = opener
            opened.users.add(live)
            return details

    def _record_use(self, opened: InspectionSandbox, what: str) -> ActiveAgent | None:
        """Record in a running agent's turn that a person used its sandbox.

        The verdict says so from here on: the change is not the agent's alone.

        Returns:
            The turn; None for a copy.
        """
        if opened.place is not Place.AGENT:
            return None
        variation = opened.variation
        turn = self._context.active_agents.find(variation.run_id, variation.number)
        if turn is None or turn.over is not opened.over:
            raise Conflict("the agent's turn has just ended", hint=RETRY_HINT)
        if VISITS[what] not in turn.visits:
            turn.visits.append(VISITS[what])
        return turn

    def terminal(self, terminal_id: str) -> LiveTerminal:
        """Return the terminal with an id.

        Raises:
            NotFound: if there is none (any more).
        """
        if terminal_id not in self._terminals:
            raise NotFound(
                "there is no such terminal (any more)", hint="open another one"
            )
        return self._terminals[terminal_id]

    def preview(self, preview_id: str) -> LivePreview:
        """Return the preview with an id.

        Raises:
            NotFound: if there is none (any more).
        """
        opened, live = self._previews.get(preview_id, (None, None))
        if opened is None or live is None or opened.over.is_set():
            self._previews.pop(preview_id, None)
            raise NotFound(
                "there is no such preview (any more)", hint="open another one"
            )
        return live

    async def close_terminal(self, terminal_id: str) -> None:
        """End a terminal's processes, and forget it.

        Raises:
            NotFound: if there is none (any more).
        """
        live = self.terminal(terminal_id)
        await live.close("it was closed")
        self._terminals.pop(terminal_id, None)

    def close_preview(self, preview_id: str) -> None:
        """Close a preview, and break off its open connections.

        Raises:
            NotFound: if there is none (any more).
        """
        live = self.preview(preview_id)
        live.close()
        opened, _ = self._previews.pop(preview_id)
        opened.dismiss(live)

    def openers(self) -> "set[Credential]":
        """Return what those were admitted by who have terminals or previews open."""
        openers = (live.opener for live in self._open())
        return {opener for opener in openers if opener is not None}

    async def close_all_of(self, opener: "Credential") -> None:
        """Close what somebody has opened, who may not use it any longer."""
        for live in [each for each in self._open() if each.opener == opener]:
            with suppress(NotFound):  # it has ended meanwhile
                if isinstance(live, LiveTerminal):
                    await self.close_terminal(live.details.id)
                else:
                    self.close_preview(live.details.id)

    def _open(self) -> Iterator[LiveTerminal | LivePreview]:
        yield from (each for each in self._terminals.values() if not each.has_ended)
        for sandbox, live in self._previews.values():
            if not sandbox.over.is_set():
                yield live

    def close(self) -> None:
        """End readers, previews and copies: the server stops."""
        for terminal in self._terminals.values():
            terminal.hang_up()
        for _, preview in self._previews.values():
            preview.close()
        self._sandboxes.close("the server stops")


def _is_at(details: Terminal | Preview, run_id: str, number: int) -> bool:
    return (details.run_id, details.variation_id) == (run_id, number)


def _refuse_above_limit(count: int, what: str) -> None:
    if count >= MOST:
        raise TooManyRequests(
            f"{MOST} {what} are open at this variation, as many as may be",
            hint="close one",
        )
