"""Set-up asks for a host at the terminal, and single keys answer."""

from pathlib import Path

from aideator.testing import scripted_model
from tests.actions import PROMPT, server
from tests.cli.processes import start_in_terminal
from tests.setup.test_egress import serving
from tests.setup.test_environment import GET


async def test_a_key_lets_set_up_go_on_and_another_refuses(
    home: Path, repo: Path
) -> None:
    async with (
        serving() as host,
        scripted_model("no_change") as model,
        server(home, model.url, SETUP_ALLOWED_HOSTS="auto") as served,
        served.client() as client,
    ):
        for key, status, reached in (
            ("n", "failed", []),
            ("o", "finished", [host.name]),
        ):
            run = ("run", str(repo), PROMPT, "-n", "1", "--fresh")
            shown = await start_in_terminal(
                *(*run, "--setup", GET.format(host.name)),
                home=home,
                model=model.url,
                SETUP_ALLOWED_HOSTS="auto",
                TERM="xterm",
            )
            assert f"set-up asks for {host.name} (by " in await shown.shows("[n]o")
            shown.types("x" + key)  # x is no answer
            await shown.shows(status)
            await shown.process.wait()
            shown.close()
            (newest,) = (await client.get("/runs?match=@")).json()["runs"]
            ended = (await client.get(f"/runs/{newest['id']}")).json()
            assert (ended["status"], ended["setup_hosts"]) == (status, reached)
