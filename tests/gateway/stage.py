"""A gateway between a provider that a test plays and an agent that a test is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from pydantic import SecretStr

from aideator.domain.usage import Budget, Usage
from aideator.gateway.app import Gateway, Limits, open_gateway
from aideator.gateway.budget import Lease
from tests.gateway.provider import MODEL, Play, Provider, open_provider

KEY = "sk-ant-api03-the-real-key-of-this-host"


@dataclass
class Stage:
    provider: Provider
    gateway: Gateway
    agent: httpx2.AsyncClient
    seen: list[tuple[Usage, str | None]] = field(default_factory=list)

    async def record(self, usage: Usage, model: str | None) -> None:
        self.seen.append((usage, model))

    @asynccontextmanager
    async def lease(
        self, number: int = 1, budget: Budget | None = None, **spent: Usage
    ) -> AsyncIterator[Lease]:
        opened = self.gateway.lease(
            "run", number, budget or Budget(), on_usage=self.record, **spent
        )
        async with opened as lease:
            yield lease

    async def ask(
        self, lease: Lease, *, max_tokens: int = 100, model: str = MODEL
    ) -> httpx2.Response:
        body = {
            "model": model,
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "hi"}],
        }
        return await self.agent.post(
            "/v1/messages", json=body, headers={"x-api-key": lease.token}
        )


@asynccontextmanager
async def open_stage(
    home: Path,
    play: Play,
    *,
    key: str | None = KEY,
    limits: Limits | None = None,
    idle_seconds: float = 600,
    base_url: str | None = None,
) -> AsyncIterator[Stage]:
    async with (
        open_provider(play) as provider,
        open_gateway(
            socket=home / "gateway.sock",
            base_url=base_url or provider.url,
            api_key=SecretStr(key) if key else None,
            limits=limits or Limits(),
            idle_seconds=idle_seconds,
        ) as gateway,
        httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(gateway.socket)),
            base_url="http://gateway",
            timeout=20,
        ) as agent,
    ):
        yield Stage(provider, gateway, agent)
