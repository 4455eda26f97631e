"""The scripted model and the project that it knows: what the demo runs on, from the command line and on a server.

Both are started as processes, as a provider's server would be another machine; product
code never imports them. A run on the demo's own project always meets the scripted
model, whatever key is set, and no other run ever does: so the page may say of a run
that it is scripted, and be right, also after a restart.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aideator.domain.errors import Unavailable
from aideator.domain.run import RunSpec

_READY = "listening on "


class Demo:
    """The demo of one state directory.

    Nothing is made or started before it is asked for.
    """

    def __init__(self, home: Path, stack: AsyncExitStack) -> None:
        """Know the place.

        Args:
            home: The state directory.
            stack: What ends the scripted model, once it has been started.
        """
        self.project = home / "scripted" / "re-flow"
        self._stack = stack
        self._url: str | None = None
        self._lock = asyncio.Lock()

    async def spec(self) -> RunSpec:
        """A submission on the demo's project, which is made at the first time.

        Raises:
            Unavailable: if it cannot be made.
        """
        told = self.project.parent / "spec.json"
        async with self._lock:
            if not told.is_file():
                self.project.parent.mkdir(mode=0o711, exist_ok=True)
                told.write_text(
                    (await make_project(self.project)).model_dump_json(),
                    encoding="utf-8",
                )
        return RunSpec.model_validate_json(told.read_bytes()).model_copy(
            update={"fresh": True}
        )

    async def upstream(self, spec: RunSpec) -> str | None:
        """Where the model calls of a run go: to the scripted model for the demo's project, else the usual way (None).

        Raises:
            Unavailable: if the scripted model does not start.
        """
        if spec.repo_url != str(self.project):
            return None
        async with self._lock:
            if self._url is None:
                self._url = await self._stack.enter_async_context(scripted_model())
        return self._url


async def make_project(repo: Path) -> RunSpec:
    """Make the demo's repository, and return a submission for it.

    Raises:
        Unavailable: if it cannot be made.
    """
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aideator.testing.demo_repo",
        str(repo),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await made.communicate()
    if made.returncode != 0:
        raise Unavailable("the demo's project cannot be made", hint="is git installed?")
    return RunSpec.model_validate(json.loads(told))


@asynccontextmanager
async def scripted_model() -> AsyncIterator[str]:
    """Run the scripted model until the context ends. Yields its address.

    Raises:
        Unavailable: if it does not start.
    """
    server = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "aideator.testing.model",
            "--scenario",
            "demo",
            "--exit-with-parent",
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        line = (await server.stdout.readline()).decode().strip()
        if not line.startswith(_READY):
            raise Unavailable("the scripted model did not start")
        yield line.removeprefix(_READY)
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()
