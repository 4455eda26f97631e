"""A gateway between a provider that a test plays and an agent that a test is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from pydantic import SecretStr

from aideator.domain.usage import Budget, Usage
from aideator.gateway.app import CallLimits, Gateway, open_gateway
from aideator.gateway.lease import Lease
from tests.conftest import PATIENCE
from tests.gateway.provider import MODEL, Play, Provider, open_provider


async def nothing_spent() -> Mapping[int, Usage]:
    return {}


async def ignore_usage(_usage: Usage, _model: str | None) -> None:
    pass


KEY = "sk-ant-api03-the-real-key-of-this-host"


@dataclass
class Harness:
    provider: Provider
    gateway: Gateway
    agent: httpx2.AsyncClient
    seen: list[tuple[Usage, str | None]] = field(default_factory=list)
    recorded: dict[int, Usage] = field(default_factory=dict)
    """What a database would know, by variation."""

    @asynccontextmanager
    async def lease(
        self,
        number: int = 1,
        budget: Budget | None = None,
        *,
        spent: Mapping[int, Usage] | None = None,
    ) -> AsyncIterator[Lease]:
        """Open a lease of the run; `spent` is what the database knows of earlier."""
        self.recorded |= spent or {}

        async def record(usage: Usage, model: str | None) -> None:
            self.recorded[number] = usage
            self.seen.append((usage, model))

        opened = self.gateway.lease(
            "run",
            number,
            budget or Budget(),
            spending=self.spending,
            on_usage=record,
        )
        async with opened as lease:
            yield lease

    async def spending(self) -> Mapping[int, Usage]:
        return dict(self.recorded)

    async def ask(
        self,
        lease: Lease,
        *,
        max_tokens: int = 100,
        model: str = MODEL,
        stream: bool = False,
    ) -> httpx2.Response:
        body = {
            "model": model,
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "hi"}],
        }
        if stream:
            body["stream"] = True
        return await self.agent.post(
            "/v1/messages", json=body, headers={"x-api-key": lease.token}
        )


@asynccontextmanager
async def open_harness(
    home: Path,
    play: Play,
    *,
    key: str | None = KEY,
    limits: CallLimits | None = None,
    idle_seconds: float = 600,
    base_url: str | None = None,
) -> AsyncIterator[Harness]:
    async with (
        open_provider(play) as provider,
        open_gateway(
            socket=home / "gateway.sock",
            base_url=base_url or provider.url,
            api_key=SecretStr(key) if key else None,
            limits=limits or CallLimits(),
            idle_seconds=idle_seconds,
        ) as gateway,
        httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(gateway.socket)),
            base_url="http://gateway",
            timeout=PATIENCE,
        ) as agent,
    ):
        yield Harness(provider, gateway, agent)
