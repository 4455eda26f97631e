"""What `aideator doctor` says about Dagger: from the CLI to what holds in a container, each "no" with what mends it."""

import asyncio
import secrets
import shutil
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from aideator.domain.errors import AideatorError, SandboxUnavailable
from aideator.domain.run import Isolation
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
    """What is examined."""

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
    """Look at one thing after the other, up to the first that is missing."""
    try:
        program = await backend.checked_program()
    except SandboxUnavailable as error:
        return [_missing("dagger", error)]
    findings = [Finding("dagger", ok=True, detail=f"{program}, of a known version")]
    code, said, told = await backend.ask(
        cli.engine_version(program), seconds=min(engine_timeout, _ANSWER_SECONDS)
    )
    if code != 0:
        why, fix = why_closed(told)
        late = (
            f"no answer within {min(engine_timeout, _ANSWER_SECONDS):g} s; "
            if code is None
            else ""
        )
        return [
            *findings,
            Finding("dagger engine", ok=False, detail=late + why, fix=fix, fatal=True),
        ]
    findings.append(
        Finding("dagger engine", ok=True, detail=f"answers, version {said.strip()}")
    )
    code, said, told = await backend.ask(
        cli.functions(program, module), seconds=engine_timeout
    )
    if code != 0 or "sandbox" not in said:
        why, fix = why_closed(told)
        return [
            *findings,
            Finding(
                "dagger module",
                ok=False,
                detail=f"{module}: {why}",
                fix=fix,
                fatal=True,
            ),
        ]
    findings.append(Finding("dagger module", ok=True, detail=f"{module} loads"))
    return findings + await _try(backend, scratch / f"check-{secrets.token_hex(4)}")


async def _try(backend: _Backend, home: Path) -> list[Finding]:
    """Open a sandbox for real."""
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
