"""Calls about the hosts that set-ups ask for, in this process or at a server."""

from collections.abc import Sequence

from aideator.app import Aideator, host_questions
from aideator.client.remote import AsyncClient
from aideator.domain.hosts import AllowedHost, HostAnswer


async def answer_host(
    client: Aideator | AsyncClient, run_id: str, host: str, answer: HostAnswer
) -> None:
    """Answer whether a run's set-up may reach a host (`host:port`)."""
    if isinstance(client, Aideator):
        await host_questions.answer_host(client, run_id, host, answer, local=True)
        return
    body = {"host": host, "answer": answer}
    await client.call("POST", f"/runs/{run_id}/hosts", json=body)


async def list_hosts(client: Aideator | AsyncClient) -> Sequence[AllowedHost]:
    """Return the hosts that people have allowed."""
    if isinstance(client, Aideator):
        return await host_questions.list_hosts(client)
    found = await client.call("GET", "/hosts")
    return [AllowedHost.model_validate(each) for each in found]


async def forget_host(
    client: Aideator | AsyncClient, host: str
) -> Sequence[AllowedHost]:
    """Allow a host (`host:port`) no more; return what was allowed."""
    if isinstance(client, Aideator):
        return await host_questions.forget_host(client, host)
    found = await client.call("DELETE", f"/hosts/{host}")
    return [AllowedHost.model_validate(each) for each in found]
