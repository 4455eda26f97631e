"""A deterministic event loop: a test decides which I/O completes next, and the time."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aideator.domain.errors import Unavailable

T = TypeVar("T")


@dataclass(eq=False)
class Operation:
    """Something that code waits for: a statement, a thread, a sandbox, an agent.

    Attributes:
        name: What it is, for a failing example.
        work: Done when the operation completes.
        future: What the code awaits.
        failures: Errors that it may end with instead.
    """

    name: str
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    failures: tuple[type[Exception], ...] = ()

    def complete(self) -> None:
        """Do the work and wake the code, unless that was cancelled."""
        if self.future.done():
            return
        try:
            result = self.work()
        except Exception as error:  # noqa: BLE001 - handed to the code that awaits it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def fail(self, number: int) -> None:
        """End with one of the errors that are possible here."""
        if not self.future.done():
            self.future.set_exception(self.failures[number % len(self.failures)]())


@dataclass(eq=False)
class SteppingLoop(asyncio.AbstractEventLoop):
    """Runs callbacks one by one, in order; the clock moves only when it is told to.

    Attributes:
        operations: What is under way.
        problems: What code would have had logged: exceptions that nobody retrieved.
        dead: Whether the process was killed: no operation completes any more.
    """

    operations: list[Operation] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    dead: bool = False
    now: float = 0.0
    ready: deque[asyncio.Handle] = field(default_factory=deque)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    # -- What asyncio calls.

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self.timers, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is passed over when its time comes."""

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, **_: Any
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=name)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)

    def run_in_executor(  # type: ignore[override]
        self, _: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        return self.operation(getattr(func, "__name__", "thread"), lambda: func(*args))

    # -- What fakes call.

    def operation(
        self,
        name: str,
        work: Callable[[], T],
        failures: tuple[type[Exception], ...] = (),
    ) -> asyncio.Future[T]:
        """Begin an operation that completes when the test says so."""
        future: asyncio.Future[T] = self.create_future()
        if self.dead:
            future.set_exception(Unavailable("the process was killed"))
        else:
            self.operations.append(Operation(name, work, future, failures))
        return future

    # -- What tests call.

    def under_way(self) -> list[Operation]:
        """Return the operations that code still waits for."""
        self.operations = [o for o in self.operations if not o.future.done()]
        return self.operations

    def run(self, most: int | None = None) -> None:
        """Run callbacks until none is ready, or at most that many."""
        outer = asyncio._get_running_loop()  # noqa: SLF001 - for implementers of loops
        asyncio._set_running_loop(self)  # noqa: SLF001
        try:
            while self.ready and most != 0:
                handle = self.ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001
                most = None if most is None else most - 1
        finally:
            asyncio._set_running_loop(outer)  # noqa: SLF001

    def tick(self) -> bool:
        """Move the clock to the next timer; False if there is none."""
        while self.timers:
            timer = heapq.heappop(self.timers)
            if not timer.cancelled():
                self.now = max(self.now, timer.when())
                self.ready.append(timer)
                return True
        return False

    def step(self) -> bool:
        """Complete the oldest operation, or move the clock; False if all is at rest."""
        self.run()
        waiting = self.under_way()
        if waiting:
            waiting[0].complete()
        elif not self.tick():
            return False
        self.run()
        return True

    def kill(self) -> None:
        """End the process as `kill -9` does: what was under way never completes.

        Its code is then unwound, so that nothing of it stays behind in the test's own
        process; it can reach nothing any more.
        """
        waiting, self.dead = self.under_way(), True
        for operation in waiting:
            operation.future.set_exception(Unavailable("the process was killed"))
