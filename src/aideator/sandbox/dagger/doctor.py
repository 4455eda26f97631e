"""Examine Dagger for `aideator doctor`: the CLI, the engine, the module, a container.

Each finding that is not ok says what fixes it.
"""

import asyncio
import secrets
import shutil
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from aideator.domain.errors import AideatorError, SandboxUnavailable
from aideator.domain.isolation import Isolation
from aideator.sandbox.base import Finding, Limits, Sandbox, Tree
from aideator.sandbox.dagger import cli
from aideator.sandbox.dagger.explain import why_closed

HOW_TO = "docs/how-to/dagger.md"
_WEAK = {
    "memory": "a sandbox may take more until the supervisor looks",
    "cpu": "a sandbox may take more until the supervisor looks",
}
_ANSWER_SECONDS = 120.0


class _Backend(Protocol):
    """The back end that is examined."""

    async def checked_program(self) -> Path: ...

    async def ask(
        self, argv: Sequence[str], *, seconds: float
    ) -> tuple[int | None, str, str]: ...

    def open(
        self, tree: Tree, limits: Limits
    ) -> AbstractAsyncContextManager[Sandbox]: ...


async def examine(
    backend: _Backend, module: Path, engine_timeout: float, scratch: Path
) -> list[Finding]:
    """Examine one part after the other, up to the first that does not work.

    Args:
        backend: The back end.
        module: Directory of the Dagger module.
        engine_timeout: Seconds that the engine may take to load the module.
        scratch: Directory for the sandbox that is opened.
    """
    try:
        program = await backend.checked_program()
    except SandboxUnavailable as error:
        return [_missing("dagger", error)]
    findings = [Finding("dagger", ok=True, detail=f"{program}, of a known version")]
    findings.append(await _ask_engine(backend, program, engine_timeout))
    if findings[-1].ok:
        findings.append(await _load_module(backend, program, module, engine_timeout))
    if findings[-1].ok:
        home = scratch / f"check-{secrets.token_hex(4)}"
        findings += await _open_sandbox(backend, home)
    return findings


async def _ask_engine(
    backend: _Backend, program: Path, engine_timeout: float
) -> Finding:
    seconds = min(engine_timeout, _ANSWER_SECONDS)
    code, stdout, stderr = await backend.ask(
        cli.engine_version(program), seconds=seconds
    )
    if code == 0:
        detail = f"answers, version {stdout.strip()}"
        return Finding("dagger engine", ok=True, detail=detail)
    reason, fix = why_closed(stderr)
    late = f"no answer within {seconds:g} s; " if code is None else ""
    return Finding("dagger engine", ok=False, detail=late + reason, fix=fix, fatal=True)


async def _load_module(
    backend: _Backend, program: Path, module: Path, seconds: float
) -> Finding:
    code, stdout, stderr = await backend.ask(
        cli.functions(program, module), seconds=seconds
    )
    if code == 0 and "sandbox" in stdout:
        return Finding("dagger module", ok=True, detail=f"{module} loads")
    reason, fix = why_closed(stderr)
    detail = f"{module}: {reason}"
    return Finding("dagger module", ok=False, detail=detail, fix=fix, fatal=True)


async def _open_sandbox(backend: _Backend, home: Path) -> list[Finding]:
    try:
        for name in ("layer", "upper", "work"):
            (home / name).mkdir(parents=True)
        async with backend.open(
            Tree((home / "layer",), home / "upper", home / "work"), Limits()
        ) as sandbox:
            done = await sandbox.exec(
                ["sh", "-c", "touch /workspace/x && git --version"], timeout=30
            )
            isolation = sandbox.isolation
        came_out = (home / "upper" / "x").exists()
    except (AideatorError, OSError) as error:
        return [_missing("sandbox", error)]
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
    works = done.exit_code == 0 and came_out
    detail = (
        "opens, and what is written comes back"
        if works
        else (done.stderr or done.stdout).decode(errors="replace")
    )
    return [
        Finding("sandbox", ok=works, detail=detail, fatal=not works),
        *_isolation_findings(isolation),
    ]


def _missing(name: str, error: Exception) -> Finding:
    hint = error.hint if isinstance(error, AideatorError) else ""
    return Finding(name, ok=False, detail=str(error), fix=hint, fatal=True)


def _isolation_findings(isolation: Isolation) -> list[Finding]:
    is_open = isolation.network.startswith("open")
    findings = [
        Finding(
            "network",
            ok=not is_open,
            detail=isolation.network,
            fix=f"close it: {HOW_TO}#close-the-network",
        )
    ]
    for limit, enforcer in isolation.limits.items():
        weak = _WEAK.get(limit) if enforcer.startswith("advisory") else None
        detail = f"{enforcer}: {weak}" if weak else f"enforced by {enforcer}"
        findings.append(
            Finding(
                f"{limit} limit",
                weak is None,
                detail,
                fix=f"cap the engine: {HOW_TO}#limits",
            )
        )
    return findings
