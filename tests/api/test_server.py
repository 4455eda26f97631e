"""`aideator serve` as a process: it starts or says why not, and ends in order."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.api.app import create_app
from aideator.api.server import listen, open_server
from aideator.app import open_app
from aideator.domain.errors import Unavailable
from aideator.environment import SettingsError
from aideator.settings import Settings
from aideator.store.home import Owner, owner
from aideator.testing import scripted_model
from tests.api.stage import open_stage
from tests.conftest import PATIENCE

SERVE = """
import sys
from pathlib import Path
from aideator.api.server import serve
from aideator.settings import Settings
settings = Settings(_env_file=None, aideator_home=Path(sys.argv[1]), aideator_port=0)
serve(settings, lambda url, link: print(url, flush=True))
print("ended in good order", flush=True)
"""


def settings(home: Path, **wanted: Any) -> Settings:
    return Settings(
        _env_file=None, aideator_home=home / "state", **({"aideator_port": 0} | wanted)
    )


@asynccontextmanager
async def serving(
    home: Path, model: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    environment = {"PATH": os.environ["PATH"], "ANTHROPIC_BASE_URL": model}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE, str(home / "state")),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=home,
    )
    assert process.stdout
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_in_order_while_agents_work_and_streams_are_open(
    home: Path, repo: Path, number: signal.Signals
) -> None:
    async with (
        scripted_model("silent") as model,
        serving(home, model.url) as (process, url),
        httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client,
    ):
        socket = str(home / "state" / "run" / "api.sock")
        assert owner(home / "state") == Owner(process.pid, url, socket, "/api/v1")
        submission = {
            "repo_url": str(repo),
            "prompt": "Wait for what never comes",
            "variations": 1,
        }
        run = (await client.post("/api/v1/runs", json=submission)).json()
        async with client.stream("GET", run["stream_url"]) as stream:
            lines = stream.aiter_lines()
            heard = [line async for line in _until(lines, "event: variation_started")]
            assert heard[-1] == "event: variation_started", heard
            process.send_signal(number)
            rest = [
                line async for line in lines
            ]  # it ends as a whole answer: a broken one would raise
        assert "event: complete" not in rest
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
        assert process.stdout
        assert (await process.stdout.read()).decode() == "ended in good order\n"
    assert owner(home / "state") is None


async def _until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == last:
            return


async def test_streams_end_when_the_server_stops(home: Path) -> None:
    async with open_stage(home) as stage:
        run_id = await stage.run()
        async with stage.client.stream(
            "GET", f"/api/v1/runs/{run_id}/stream"
        ) as stream:
            stage.server.stop()
            assert (
                "".join([piece async for piece in stream.aiter_text()])
                == "retry: 3000\n\n"
            )
        async with asyncio.timeout(PATIENCE):
            await stage.server.ended.wait()


async def test_a_port_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            Unavailable, match=f"port {port} of 127.0.0.1 is taken"
        ) as caught:
            async with open_server(settings(home, aideator_port=port)):
                pass
    assert "AIDEATOR_PORT" in caught.value.hint
    assert not (home / "state").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_of_another_machine_is_refused(home: Path, host: str) -> None:
    with pytest.raises(Unavailable, match=f"cannot listen on {host}"):
        async with open_server(settings(home, aideator_host=host)):
            pass


async def test_beyond_loopback_a_server_without_keys_does_not_start(home: Path) -> None:
    beyond = settings(home, aideator_host="0.0.0.0")
    with pytest.raises(Unavailable, match="no API key exists") as caught:
        async with open_server(beyond):
            pass
    assert "aideator key create" in caught.value.hint
    async with open_app(beyond, work=False) as app:
        await app.create_key("first")
    async with open_server(beyond) as server:
        assert server.url.startswith("http://127.0.0.1:")


async def test_ipv6_loopback_is_served_too(home: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    async with (
        open_server(settings(home, aideator_host="::1")) as server,
        httpx2.AsyncClient() as client,
    ):
        assert server.url.startswith("http://[::1]:")
        assert (await client.get(f"{server.url}/api/v1/runs")).status_code == 200


async def test_an_application_made_from_settings_opens_and_closes_by_itself(
    home: Path,
) -> None:
    app = create_app(settings(home))
    async with app.router.lifespan_context(app):
        assert owner(home / "state")
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
        )
        async with client:
            assert (await client.get("/health/ready")).status_code == 200
    assert owner(home / "state") is None


def test_a_server_for_every_page_of_the_web_is_refused(home: Path) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_ORIGINS"):
        create_app(settings(home, allowed_origins=("*",)))


def test_no_answers_body_waits_until_the_client_has_acknowledged_its_head() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
