"""Questions of set-ups about hosts that nobody has allowed, and people's answers."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aideator.domain.errors import Conflict
from aideator.domain.events import HostAnswered, HostAsked
from aideator.domain.hosts import AllowedHost, HostAnswer
from aideator.engine.events import EventWriter
from aideator.eventlog.base import EventLog
from aideator.setup.network import host_of

PATIENCE_SECONDS = 600.0
"""How long a question waits for an answer."""
ABSENCE_SECONDS = 5.0
"""How long nobody may follow the run before the question is given up: time to open the
page, or to reload it."""


@dataclass
class HostQuestions:
    """The open questions of all runs of this process, and who follows which run."""

    patience: float = PATIENCE_SECONDS
    absence: float = ABSENCE_SECONDS
    _present: Counter[str] = field(default_factory=Counter)
    _open: dict[tuple[str, str], asyncio.Future[AllowedHost | None]] = field(
        default_factory=dict
    )

    @contextmanager
    def presence(self, run_id: str) -> Iterator[None]:
        """Note that a person follows a run who can answer its questions."""
        self._present[run_id] += 1
        try:
            yield
        finally:
            self._present[run_id] -= 1
            self._present += Counter()  # forget who has gone

    def is_followed(self, run_id: str) -> bool:
        """Return whether a person follows the run."""
        return self._present[run_id] > 0

    def is_open(self, run_id: str, host: str) -> bool:
        """Return whether a set-up of the run waits for an answer about the host."""
        return (run_id, host) in self._open

    def answer(self, run_id: str, host: str, allowed: AllowedHost | None) -> None:
        """Answer a question.

        Args:
            run_id: The run whose set-up asks.
            host: As `host:port`.
            allowed: The permission; None to refuse.

        Raises:
            Conflict: if no set-up of the run asks for this host.
        """
        question = self._open.get((run_id, host))
        if question is None or question.done():
            raise Conflict(
                f"no set-up of this run waits for an answer about {host_of(host)}",
                hint="name it in the next run: --allow-host",
            )
        question.set_result(allowed)

    def of_run(self, log: EventLog, run_id: str) -> "RunQuestions":
        """Return what asks the questions of one run."""
        return RunQuestions(self, EventWriter(log, run_id))

    async def wait(self, run_id: str, host: str) -> AllowedHost | None:
        """Wait for the answer to a question.

        Raises:
            TimeoutError: if nobody answers, or nobody is there to answer.
        """
        question = self._open[run_id, host]
        async with asyncio.timeout(self.patience):
            absent = 0.0
            while not question.done():
                step = min(0.2, self.absence)
                absent = 0.0 if self.is_followed(run_id) else absent + step
                if absent > self.absence:
                    raise TimeoutError
                await asyncio.wait([question], timeout=step)
        return question.result()

    def open(self, run_id: str, host: str) -> None:
        """Open a question."""
        question = asyncio.get_running_loop().create_future()
        self._open[run_id, host] = question

    def close(self, run_id: str, host: str) -> None:
        """Close a question."""
        self._open.pop((run_id, host), None)


@dataclass
class RunQuestions:
    """The questions of one run's set-up: an `Asker`."""

    questions: HostQuestions
    writer: EventWriter
    _asked: list[str] = field(default_factory=list)

    async def ask(self, host: str, asked_by: str) -> None:
        """Ask about a server, as `host:port`, and do not wait for the answer."""
        self.questions.open(self.writer.run_id, host)
        self._asked.append(host)
        await self.writer.write(HostAsked(host=host, asked_by=asked_by))

    async def answers(self) -> list[AllowedHost]:
        """Wait for the answers to what was asked; return what is allowed."""
        allowed: list[AllowedHost] = []
        asked, self._asked = self._asked, []
        run_id = self.writer.run_id
        try:
            for host in asked:
                if found := await self._answer(host):
                    allowed.append(found)
        finally:
            for host in asked:
                self.questions.close(run_id, host)
        return allowed

    def close(self) -> None:
        """Close what is open: set-up has ended."""
        for host in self._asked:
            self.questions.close(self.writer.run_id, host)

    async def _answer(self, host: str) -> AllowedHost | None:
        try:
            return await self.questions.wait(self.writer.run_id, host)
        except TimeoutError:
            self.questions.close(self.writer.run_id, host)
            answered = HostAnswered(host=host, answer=HostAnswer.NOBODY)
            await self.writer.write(answered)
            return None
