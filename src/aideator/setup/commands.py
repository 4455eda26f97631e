"""Run set-up's commands, and ask a person about hosts that nobody has allowed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aideator.domain.check import NOT_FOUND, NOT_FOUND_NOTE, CheckResult, Command
from aideator.domain.errors import SetupFailed, VariationError
from aideator.domain.hosts import AllowedHost
from aideator.sandbox.base import Sandbox
from aideator.setup.egress import Proxy
from aideator.setup.network import host_of

OUTPUT_TAIL = 16_384
"""Bytes kept of a command's output: its end, which tells the most."""
_LINE_SECONDS = 1.0
"""Time between two reports of a command's newest line."""
_LINE_LENGTH = 200

OnLine = Callable[[str, str], Awaitable[None]]
"""Called with a command and the newest line that it printed; empty at its start."""


@dataclass(frozen=True)
class SetupResult:
    """A set-up command's result, and the network access until then."""

    result: CheckResult
    cached: bool
    """Whether the command ran in an earlier run."""
    hosts: tuple[str, ...]
    """Servers (`host:port`) that were reached."""
    refused: tuple[str, ...] = ()
    """Servers that nobody has allowed."""


class Asker(Protocol):
    """Asks a person about hosts that nobody has allowed."""

    async def ask(self, host: str, asked_by: str) -> None:
        """Ask about a server, as `host:port`, without waiting for the answer."""
        ...

    async def answers(self) -> Sequence[AllowedHost]:
        """Wait for the answers, for a bounded time; return what is allowed."""
        ...


def with_hosts(result: CheckResult, proxy: Proxy | None) -> SetupResult:
    """Return a result with the servers that were reached or refused until then."""
    if proxy is None:
        return SetupResult(result, cached=False, hosts=())
    hosts, refused = sorted(proxy.reached), sorted(proxy.unknown)
    return SetupResult(result, cached=False, hosts=tuple(hosts), refused=tuple(refused))


async def ask_about_named(named: Sequence[str], asker: Asker, proxy: Proxy) -> None:
    """Ask a person about the hosts that the repository names."""
    for name in named:
        host, _, port = name.partition(":")
        if not proxy.egress.allows(host, int(port or 443)):
            await asker.ask(f"{host}:{port or 443}", ".aideator.toml")
    allow(proxy, await asker.answers())


def allow(proxy: Proxy, allowed: Sequence[AllowedHost]) -> None:
    """Let set-up reach further hosts from now on."""
    proxy.egress = proxy.egress.with_hosts(
        [each.host for each in allowed],
        [each.host for each in allowed if each.private],
    )
    for each in allowed:
        proxy.unknown.discard(each.host)
        proxy.refused.pop(each.host, None)


async def run_with_answers(
    asker: Asker | None,
    command: Command,
    proxy: Proxy | None,
    run: Callable[[], Awaitable[CheckResult]],
) -> CheckResult:
    """Run one command, and again each time that a person allows it further hosts.

    No connection is held meanwhile: installers give one up after seconds, a person
    answers after minutes.
    """
    if proxy is None or asker is None:
        return await run()

    async def ask(host: str, port: int) -> None:
        await asker.ask(f"{host}:{port}", command.command)

    proxy.on_unknown = ask
    while True:
        result = await run()
        allowed = await asker.answers()
        if not allowed:
            return result
        allow(proxy, allowed)


class _NewestLine:
    """The newest line of an output that has any text."""

    def __init__(self) -> None:
        self.text = ""
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Add a piece of the output. Progress bars end their lines with a return."""
        lines = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()[-OUTPUT_TAIL:]
        told = [line for line in (*lines, self._rest) if line.strip()]
        if told:
            text = told[-1].decode(errors="replace").strip()
            self.text = text[:_LINE_LENGTH]

    async def report(self, command: str, on_line: OnLine) -> None:
        """Report each change until cancelled."""
        reported = None
        while True:
            if self.text != reported:
                reported = self.text
                await on_line(command, reported)
            await asyncio.sleep(_LINE_SECONDS)


async def run_command(
    sandbox: Sandbox,
    command: Command,
    env: Mapping[str, str],
    cwd: str,
    on_line: OnLine,
) -> CheckResult:
    """Run one command. An error of the sandbox becomes the result's note."""
    start = time.monotonic()
    code, output, note = None, "", ""
    newest = _NewestLine()
    async with asyncio.TaskGroup() as tasks:
        reports = tasks.create_task(newest.report(command.command, on_line))
        try:
            done = await sandbox.exec(
                ["sh", "-c", f"exec 2>&1; {command.command}"],
                env=env,
                cwd=cwd,
                timeout=command.timeout,
                on_output=newest.add,
            )
        except VariationError as error:
            note = str(error)
        else:
            code = done.exit_code
            output = done.stdout[-OUTPUT_TAIL:].decode(errors="replace")
            if code is None:
                note = f"stopped after {command.timeout:g} s"
        finally:
            reports.cancel()
    return CheckResult(
        check=command.command,
        exit_code=code,
        seconds=round(time.monotonic() - start, 3),
        output=output,
        note=note,
    )


def failure(result: CheckResult, proxy: Proxy | None) -> SetupFailed:
    """Return the error for a command that failed, with what to do next."""
    reason = result.note or f"exit code {result.exit_code}"
    if result.exit_code == NOT_FOUND:
        reason += f", {NOT_FOUND_NOTE}"
    if proxy and proxy.refused:
        reason += f". {'; '.join(proxy.refused.values())}"
    hosts = [host_of(server) for server in sorted(proxy.unknown)] if proxy else []
    return SetupFailed(
        f"set-up failed: `{result.check}`: {reason}",
        hint=_ways_to_allow(hosts) if hosts else "",
    )


def _ways_to_allow(hosts: Sequence[str]) -> str:
    """Return what to paste for hosts that nobody has allowed."""
    options = " ".join(f"--allow-host {host}" for host in hosts)
    return (
        f"allow it in one run: {options}; in all:"
        f" export SETUP_ALLOWED_HOSTS=auto,{','.join(hosts)}; or go without set-up:"
        " --no-setup"
    )
