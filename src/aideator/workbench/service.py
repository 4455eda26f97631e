"""Terminals and previews in variations' sandboxes: opened, found, closed.

`bench.py` says where that is.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aideator.domain.errors import Conflict, NotFound, TooManyRequests
from aideator.engine.context import VISITS, RunContext, Turn
from aideator.engine.local.engine import first_that_works
from aideator.sandbox.base import Size
from aideator.workbench.model import Desk, Place, Preview, Terminal
from aideator.workbench.preview import LivePreview
from aideator.workbench.sandboxes import Bench, Benches
from aideator.workbench.terminal import LiveTerminal

MOST = 8
"""Terminals, and previews, that may be open at one variation."""
_REMEMBERED = 16
"""Terminals that have ended, of which a reader may still want to know how."""
_SHELL = "command -v bash > /dev/null && exec bash --norc --noprofile -i; exec sh -i"


@asynccontextmanager
async def open_workbench(
    context: RunContext, *, most: int = 4, idle: float = 1800.0
) -> AsyncIterator["Workbench"]:
    """Open the workbench of this process; all that is open there closes at the end.

    Args:
        context: What the steps act with.
        most: Copies that may be open at the same time.
        idle: Seconds without input, output or a request to a preview after which a copy
            closes.
    """
    group = asyncio.TaskGroup()
    await group.__aenter__()
    tasks = set[asyncio.Task[None]]()

    def start(work: Coroutine[Any, Any, None]) -> None:
        task = group.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    workbench = Workbench(context, start, Benches(context, start, most=most, idle=idle))
    try:
        yield workbench
    finally:
        workbench.close()
        for task in tasks:
            task.cancel()
        # The caller's own exception is not ours to wrap in a group, so the group does
        # not hear of it.
        await group.__aexit__(None, None, None)


class Workbench:
    """What people have open. Made by `open_workbench`."""

    def __init__(
        self,
        context: RunContext,
        start: Callable[[Coroutine[Any, Any, None]], None],
        benches: Benches,
    ) -> None:
        self._context, self._start, self._benches = context, start, benches
        self._terminals: dict[str, tuple[Bench, LiveTerminal]] = {}
        self._previews: dict[str, tuple[Bench, LivePreview]] = {}

    async def look(self, run_id: str, number: int) -> Desk:
        """What is open at a variation, and what can be.

        Raises:
            NotFound: if there is no such run or variation.
        """
        place, reason = None, None
        try:
            place = (await self._benches.find(run_id, number))[2]
        except Conflict as refusal:
            reason = f"{refusal}; {refusal.hint}"
        terminals = (live.told for _, live in self._terminals.values())
        previews = (
            live.told
            for bench, live in self._previews.values()
            if not bench.over.is_set()
        )
        return Desk(
            terminals=tuple(
                told
                for told in terminals
                if (told.run_id, told.variation_id) == (run_id, number)
            ),
            previews=tuple(
                told
                for told in previews
                if (told.run_id, told.variation_id) == (run_id, number)
            ),
            place=place,
            reason=reason,
        )

    async def open_terminal(
        self, run_id: str, number: int, size: Size, command: str | None = None
    ) -> Terminal:
        """Open a terminal.

        Args:
            run_id: The run.
            number: The variation.
            size: How many characters it shows.
            command: What runs in it; a shell when absent.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is nothing to be let into now; it says why, and what
                would help.
            TooManyRequests: if as many are open as may be.
        """
        async with self._benches.enter(run_id, number) as (bench, sandbox):
            # Who is just being let in counts as well, but for this one: many may come
            # at once.
            _bound(
                sum(not isinstance(tenant, LivePreview) for tenant in bench.tenants)
                - 1,
                "terminals",
            )
            told = Terminal(
                id=secrets.token_hex(16),
                run_id=run_id,
                variation_id=number,
                command=command,
                place=bench.place,
                opened_at=datetime.now(UTC),
                **size._asdict(),
            )
            env = {"TERM": "xterm-256color", "PS1": f"variation {number}:${{PWD}}$ "}
            argv = ["sh", "-c", _SHELL if command is None else command]
            turn = self._visited(bench, "terminal")
            process = await sandbox.spawn(argv, env=env, terminal=size)
            live = LiveTerminal(process, told, on_use=bench.use, explain=bench.explain)
            if turn is not None:
                turn.guests.append(lambda: live.close(bench.end))
            self._terminals[told.id] = (bench, live)
            bench.tenants.add(live)
            self._start(first_that_works(self._attend(bench, live)))
            return told

    async def _attend(self, bench: Bench, live: LiveTerminal) -> None:
        try:
            await live.run()
        finally:
            bench.dismiss(live)
            ended = [
                key
                for key, (_, terminal) in self._terminals.items()
                if terminal.has_ended
            ]
            for key in ended[:-_REMEMBERED]:
                del self._terminals[key]

    async def open_preview(
        self, run_id: str, number: int, port: int, page: str
    ) -> Preview:
        """Open a way to a port, whether somebody listens there yet or not.

        Args:
            run_id: The run.
            number: The variation.
            port: Where a server of the project listens inside, or will.
            page: The origin of the page that will show it.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is nothing to be let into now; it says why, and what
                would help.
            TooManyRequests: if as many are open as may be.
        """
        async with self._benches.enter(run_id, number) as (bench, sandbox):
            _bound(
                sum(isinstance(tenant, LivePreview) for tenant in bench.tenants),
                "previews",
            )
            told = Preview(
                id=secrets.token_hex(16),
                run_id=run_id,
                variation_id=number,
                port=port,
                place=bench.place,
            )
            live = LivePreview(
                sandbox,
                told,
                page,
                bench.calls,
                on_use=bench.use,
                explain=bench.explain,
            )
            self._visited(bench, "preview")
            self._previews[told.id] = (bench, live)
            bench.tenants.add(live)
            return told

    def _visited(self, bench: Bench, what: str) -> Turn | None:
        """The turn of the agent that a person is with, if it is one.

        From here on, its verdict says so.
        """
        if bench.place is not Place.AGENT:
            return None
        turn = self._context.turns.find(bench.variation.run_id, bench.variation.number)
        if turn is None or turn.over is not bench.over:
            raise Conflict(
                "the agent's turn has just ended", hint="look again in a moment"
            )
        if VISITS[what] not in turn.visits:
            turn.visits.append(VISITS[what])
        return turn

    def terminal(self, terminal_id: str) -> LiveTerminal:
        """The terminal of that id.

        Raises:
            NotFound: if there is none (any more).
        """
        if terminal_id not in self._terminals:
            raise NotFound(
                "there is no such terminal (any more)", hint="open another one"
            )
        return self._terminals[terminal_id][1]

    def preview(self, preview_id: str) -> LivePreview:
        """The preview of that id.

        Raises:
            NotFound: if there is none (any more).
        """
        bench, live = self._previews.get(preview_id, (None, None))
        if bench is None or live is None or bench.over.is_set():
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
        """End a preview, and what is under way through it.

        Raises:
            NotFound: if there is none (any more).
        """
        live = self.preview(preview_id)
        live.close()
        bench, _ = self._previews.pop(preview_id)
        bench.dismiss(live)

    def close(self) -> None:
        """Let go of readers, previews and copies: the server stops."""
        for _, terminal in self._terminals.values():
            terminal.hang_up()
        for _, preview in self._previews.values():
            preview.close()
        self._benches.close("the server stops")


def _bound(count: int, what: str) -> None:
    if count >= MOST:
        raise TooManyRequests(
            f"{MOST} {what} are open at this variation, as many as may be",
            hint="close one",
        )
