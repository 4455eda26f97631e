"""A workplace for agents under test.

The user's repository in a real sandbox, a gateway, a scripted model.
"""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.usage import Budget, Usage
from aideator.gateway.app import open_gateway
from aideator.sandbox.base import Bind, Limits, Sandbox, Tree, sandbox_uid
from aideator.sandbox.registry import open_backend
from aideator.testing import ScriptedModel, scripted_model
from tests.gateway.harness import nothing_spent


@dataclass(frozen=True)
class Place:
    """Where an agent works in a test."""

    sandbox: Sandbox
    token: str
    model: ScriptedModel
    workspace: Path
    """What the agent wrote, as the host sees it: the upper layer of `/workspace`."""


Open = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture
def repo(repo: Path) -> Path:
    """The user's repository, owned by the sandbox's user, as checkouts are."""
    owner = sandbox_uid()
    for path in (repo, *repo.rglob("*")):
        if owner is not None:
            os.chown(path, owner, owner, follow_symlinks=False)
    return repo


@pytest.fixture
def place(home: Path, repo: Path) -> Open:
    """Open a place: `async with place(scenario, binds=…) as here`."""
    backend = open_backend("bubblewrap", runtime_dir=home / "run")

    @asynccontextmanager
    async def opened(
        scenario: str | dict[str, Any],
        *,
        binds: Sequence[Bind] = (),
        budget: Budget | None = None,
    ) -> AsyncIterator[Place]:
        async def on_usage(usage: Usage, model: str | None) -> None:
            pass

        upper, work = _layer(home / "upper"), _layer(home / "work")
        async with (
            scripted_model(scenario) as model,
            open_gateway(socket=home / "gateway", base_url=model.url) as gateway,
            gateway.lease(
                "run", 1, budget or Budget(), spending=nothing_spent, on_usage=on_usage
            ) as lease,
            backend.open(
                Tree((repo,), upper, work),
                Limits(cpus=2.0),
                binds=binds,
                gateway=gateway.socket,
            ) as sandbox,
        ):
            yield Place(sandbox, lease.token, model, upper)

    return opened


@pytest.fixture
async def cell(home: Path, repo: Path) -> AsyncIterator[Sandbox]:
    """A sandbox without a way out."""
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    tree = Tree((repo,), _layer(home / "upper"), _layer(home / "work"))
    async with backend.open(tree, Limits(cpus=2.0)) as sandbox:
        yield sandbox


def _layer(path: Path) -> Path:
    path.mkdir()
    return path
