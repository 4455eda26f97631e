"""Calls about the hosts that set-ups ask for."""

from collections.abc import Sequence

from aideator.client.remote import AsyncClient
from aideator.domain.hosts import AllowedHost, HostAnswer


async def answer_host(
    client: AsyncClient, run_id: str, host: str, answer: HostAnswer
) -> None:
    """Answer whether a run's set-up may reach a host (`host:port`)."""
    body = {"host": host, "answer": answer}
    await client.call("POST", f"/runs/{run_id}/hosts", json=body)


async def list_hosts(client: AsyncClient) -> Sequence[AllowedHost]:
    """Return the hosts that people have allowed."""
    found = await client.call("GET", "/hosts")
    return [AllowedHost.model_validate(each) for each in found]


async def forget_host(client: AsyncClient, host: str) -> Sequence[AllowedHost]:
    """Allow a host (`host:port`) no more; return what was allowed."""
    found = await client.call("DELETE", f"/hosts/{host}")
    return [AllowedHost.model_validate(each) for each in found]
