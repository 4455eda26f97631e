"""Whatever is started, stopped, prompted and killed when: the engine's promises hold.

The machine knows the `Engine` port alone, so that every engine has to pass it. It acts
on the product's own tables, statements, event log and steps; git, sandboxes, agents and
the model are fakes (`tests/engine/world.py`). Between two of its steps the engine waits
for some operation: a statement, a thread, a sandbox, an agent. Hypothesis chooses which
one completes or fails next, and what a person or a `kill -9` does in between.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from aideator.app.continue_run import Change, add_agent, apply, follow_up
from aideator.domain.errors import Conflict, EngineLost, NotFound, Unavailable
from aideator.domain.events import RunStarted
from aideator.domain.run import AgentSpec, Run, RunSpec, Variation
from aideator.engine.base import Engine
from aideator.engine.local.engine import open_local_engine
from aideator.eventlog.base import Draft
from aideator.store import runs
from aideator.store.session import open_database
from tests.engine.world import OpenEngine, Turn, open_process

MOST_RUNS, MOST_VARIATIONS = 2, 3
PROMPT = "Make addition add, please"
SETTLED = {"finished", "failed", "cancelled"}
TOLD_OF_VARIATIONS = {"variation_started", "variation_finished", "variation_failed"}
SHARED_MEMORY = Path("/dev/shm")
NUMBERS = st.sampled_from([1, None, 2])
ASKED = st.sampled_from(["cancel", "prompt", "submit", "add", "start"])


@dataclass(eq=False)
class Command:
    """Something that a person has asked for.

    Attributes:
        run_id: The run.
        number: The variation; None for the whole run.
        issued: When it was asked for, in steps of the machine.
        returned: When it had returned; None if it has not, or was refused or killed.
        text: The prompt of a follow-up.
        meant: The variations that it has given something to do.
    """

    run_id: str
    number: int | None
    issued: int
    returned: int | None = None
    text: str = PROMPT
    meant: set[int] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    def covers(self, turn: Turn) -> bool:
        return self.run_id == turn.run_id and self.number in (None, turn.number)


def template(folder: Path) -> None:
    """Make a database with the newest tables, and a repository to work on."""

    async def migrate() -> None:
        async with open_database(f"sqlite+aiosqlite:///{folder}/aideator.db"):
            pass

    asyncio.run(migrate())
    (folder / "repo").mkdir()


class EngineMachine(RuleBasedStateMachine):
    """People, and a machine that may crash, around one engine."""

    template: Path
    open_engine: OpenEngine = staticmethod(partial(open_local_engine, slots=2))

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.logged = self.closing.enter_context(capture_logs())
        place = str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
        folder = tempfile.TemporaryDirectory(prefix="aid-engine-", dir=place)
        self.home = Path(self.closing.enter_context(folder)) / "state"
        shutil.copytree(self.template, self.home)
        self.clock = 0
        self.runs: list[str] = []
        self.asked: list[Command] = []
        """What gives variations something to do: submissions, additions, follow-ups."""
        self.cancelled: list[Command] = []
        self.done: set[Turn] = set()
        self.excused: set[str] = set()
        """Runs with a failure that was planned: not everything is carried out there."""
        self.may_fail = False
        self.open()
        while not self.is_open:
            self.process.loop.step()

    @initialize(may_fail=st.booleans())
    def begin(self, may_fail: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        self.may_fail = may_fail
        self.submit(variations=2)

    def open(self) -> None:
        self.process = open_process(
            self.home, self.open_engine, self.working, self.done.add
        )

    # -- What the agents tell.

    def working(self, turn: Turn) -> None:
        """Check that nobody has cancelled what an agent works on."""
        for cancel in self.cancelled:
            if cancel.covers(turn) and cancel.returned is not None:
                assert any(
                    asked.returned is None or asked.returned > cancel.issued
                    for asked in self.requests_of(turn)
                ), f"{turn} goes on after {cancel}"

    def requests_of(self, turn: Turn) -> list[Command]:
        """Return what has asked for this turn, or may have."""
        return [
            asked
            for asked in self.asked
            if (asked.run_id, asked.text) == (turn.run_id, turn.text)
            and turn.number in asked.meant
        ]

    # -- What people do.

    def command(self, command: Command, act: Coroutine[Any, Any, None]) -> None:
        """Have something done, as a request to the API does."""

        process = self.process

        async def carry_out() -> None:
            try:
                await act
            except (Conflict, NotFound):
                return  # refused
            except Unavailable:
                assert process.end.is_set(), "refused by a process that works"
                return
            command.returned = self.now()

        command.task = process.loop.create_task(carry_out())

    def now(self) -> int:
        self.clock += 1
        return self.clock

    @property
    def is_open(self) -> bool:
        return self.process.engine is not None and not self.process.end.is_set()

    @precondition(lambda self: self.is_open)
    @rule(what=ASKED, run=st.integers(0, MOST_RUNS - 1), number=NUMBERS)
    def ask(self, what: str, run: int, number: int | None) -> None:
        if not self.runs or (what == "submit" and len(self.runs) < MOST_RUNS):
            self.submit(variations=number or 2)
            return
        run_id = self.runs[run % len(self.runs)]
        command = Command(run_id, number, self.now())
        match what:
            case "prompt":
                command.text = f"Go on, please: {command.issued}"
                change = follow_up(command.text, number)
                self.command(command, self.join(command, change))
            case "add":
                command.number = None
                change = add_agent(AgentSpec(), most=MOST_VARIATIONS)
                self.command(command, self.join(command, change))
            case "cancel":
                self.command(command, self.engine.cancel(run_id, number))
            case _:
                command.text = ""
                self.command(command, self.engine.start(run_id))
        (self.cancelled if what == "cancel" else self.asked).append(command)

    @precondition(lambda self: self.is_open and self.cancelled)
    @rule()
    def cancel_again(self) -> None:
        """Ask for the last cancellation once more, as a double click does."""
        last = self.cancelled[-1]
        command = Command(last.run_id, last.number, self.now())
        self.cancelled.append(command)
        self.command(command, self.engine.cancel(last.run_id, last.number))

    def submit(self, variations: int) -> None:
        """Submit a run, and wait until it is stored: its id is not known before."""
        run_id = f"r{len(self.runs)}"
        spec = RunSpec(
            repo_url=str(self.home / "repo"),
            prompt=PROMPT,
            variations=variations,
            setup=(),
            checks=(),
            protected=(),
            fresh=True,
        )
        agents = enumerate(spec.agents(), start=1)
        run = Run(id=run_id, spec=spec)
        made = [Variation(run_id=run_id, number=n, spec=agent) for n, agent in agents]
        command = Command(run_id, None, self.now(), meant={v.number for v in made})

        async def submit() -> None:
            async with self.process.database.write() as session:
                await runs.add(session, run, made)
            started = [Draft(RunStarted.of(run))]
            await self.process.context.log.append(run_id, started)
            self.runs.append(run_id)
            await self.engine.start(run_id)

        self.asked.append(command)
        self.command(command, submit())
        while command.task and not command.task.done():
            self.process.loop.step()

    @property
    def engine(self) -> Engine:
        assert self.process.engine is not None
        return self.process.engine

    async def join(self, command: Command, change: Change) -> None:
        async def note(session: AsyncSession, run: Run, before: Any) -> Any:
            told = await change(session, run, before)
            command.meant |= {number for number, _ in told} or {
                v.number
                for v in await runs.variations(session, run.id)
                if v.follow_up == command.text
            }
            return told

        log = self.process.context.log
        await apply(self.process.database, log, self.engine, command.run_id, note)

    # -- What the machine does.

    @rule(seed=st.integers(0, 2**16), count=st.integers(1, 12))
    def complete_some(self, seed: int, count: int) -> None:
        """Complete one operation after another, in any order."""
        choose = random.Random(seed)
        for _ in range(count):
            self.process.loop.run()
            waiting = self.process.loop.under_way()
            if waiting:
                choose.choice(waiting).complete()
        self.process.loop.run()
        self.after_step()

    @rule(seed=st.integers(0, 2**16), count=st.integers(12, 60))
    def complete_many(self, seed: int, count: int) -> None:
        self.complete_some(seed, count)

    @rule(seed=st.integers(0, 2**16), callbacks=st.integers(0, 4))
    def complete_and_stop_short(self, seed: int, callbacks: int) -> None:
        """Complete an operation, and leave its consequences half way."""
        waiting = self.process.loop.under_way()
        if waiting:
            random.Random(seed).choice(waiting).complete()
        self.process.loop.run(callbacks)

    @precondition(lambda self: self.may_fail)
    @rule(choice=st.integers(0, 3))
    def fail(self, choice: int) -> None:
        """Have an agent, a sandbox or the repository fail, and time pass."""
        able = [o for o in self.process.loop.under_way() if o.failures]
        if able:
            operation = able[choice % len(able)]
            if operation.failures[0] is not EngineLost:
                self.excused |= set(self.runs)
            operation.fail(choice)
        self.process.loop.run()
        self.process.loop.tick()

    @rule()
    def crash(self) -> None:
        self.process.kill()
        self.check_process()
        self.open()

    @precondition(lambda self: self.is_open)
    @rule()
    def close(self) -> None:
        self.process.end.set()

    def after_step(self) -> None:
        """Start the next process when one has ended in good order."""
        if self.process.main is not None and self.process.main.done():
            self.process.main.result()
            self.check_process()
            self.process.kill()  # what people have asked for and is under way
            self.open()

    # -- What holds.

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.process.kill()
            self.closing.close()

    def finish(self) -> None:
        """Let everything come to its end, and look at it."""
        for _ in range(5_000):
            if not self.process.loop.step():
                if not self.process.end.is_set():
                    break
                self.after_step()
        else:
            raise AssertionError("it never comes to rest")
        self.check_nothing_is_left()
        with closing(sqlite3.connect(self.home / "aideator.db")) as database:
            for run_id in self.runs:
                self.check_run(database, run_id)
        for asked in self.asked:
            self.check_request(asked)

    def check_process(self) -> None:
        """Check that a process that has ended leaves no task behind."""
        loop = self.process.loop
        asking = {command.task for command in [*self.asked, *self.cancelled]}
        assert not asyncio.all_tasks(loop) - asking
        assert not loop.problems, loop.problems

    def check_nothing_is_left(self) -> None:
        """Check that an idle engine holds nothing of its runs."""
        held = [value for value in vars(self.engine).values() if is_container(value)]
        assert not any(held), held
        idle = len(asyncio.all_tasks(self.process.loop))
        assert idle == 2, "beside the main task and the writer of the log"
        for command in [*self.asked, *self.cancelled]:
            assert command.task
            assert command.task.done(), command
            if not command.task.cancelled():
                command.task.result()

    def check_run(self, database: sqlite3.Connection, run_id: str) -> None:
        """Check that the run has settled, and that its events say the same."""
        lines = database.execute(
            "SELECT seq, data FROM event WHERE run_id = ? ORDER BY seq", (run_id,)
        ).fetchall()
        assert [seq for seq, _ in lines] == list(range(1, len(lines) + 1))
        events = [json.loads(data) for _, data in lines]
        kinds = [event["body"]["kind"] for event in events]
        assert kinds[-1] == "complete", kinds
        for kind, following in pairwise(kinds):
            assert kind != "complete" or following == "run_started", kinds
        (status,) = database.execute(
            "SELECT status FROM run WHERE id = ?", (run_id,)
        ).fetchone()
        assert events[-1]["body"]["status"] == status
        assert status in SETTLED
        for number, end in database.execute(
            "SELECT number, status FROM variation WHERE run_id = ?", (run_id,)
        ):
            self.check_variation(events, number, end)

    def check_variation(
        self, events: list[dict[str, Any]], number: int, end: str
    ) -> None:
        """Check that the last event on a variation's end is about the stored one."""
        own = [e["body"]["kind"] for e in events if e["variation_id"] == number]
        told = [kind for kind in own if kind in TOLD_OF_VARIATIONS]
        said = "variation_finished" if end == "finished" else "variation_failed"
        assert end in SETTLED
        assert told[-1] == said, (number, end, told)

    def check_request(self, asked: Command) -> None:
        """Check that what was promised has been done, or was cancelled."""
        if asked.returned is None or asked.run_id in self.excused:
            return
        for number in asked.meant:
            turn = Turn(asked.run_id, number, asked.text)
            stopped = [
                cancel
                for cancel in self.cancelled
                if cancel.covers(turn)
                and (cancel.returned is None or cancel.returned > asked.issued)
            ]
            assert stopped or self.done & {turn}, f"{turn} was lost"


def is_container(value: object) -> bool:
    return isinstance(value, dict | list | set | tuple)


@pytest.fixture(scope="module", autouse=True)
def a_template(tmp_path_factory: pytest.TempPathFactory) -> None:
    EngineMachine.template = tmp_path_factory.mktemp("engine")
    template(EngineMachine.template)


@pytest.mark.slow
def test_the_engine_keeps_its_promises() -> None:
    """Take 10,000 steps: about 25 s of one processor."""
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=200,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
