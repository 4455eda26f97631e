"""The demo's scripted model and project, for the command line and for a server.

Both are started as processes, as a provider's server would be on another machine;
product code never imports them. A run on the demo's own project always uses the
scripted model, whatever key is set, and no other run ever does: so the page can say
that a run is scripted, also after a restart.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aideator.domain.errors import Unavailable
from aideator.domain.run import RunSpec

_READY = "listening on "


class Demo:
    """The demo of one state directory. Its parts are created when first needed."""

    def __init__(self, home: Path, stack: AsyncExitStack) -> None:
        """Create a demo of which nothing exists yet.

        Args:
            home: The state directory.
            stack: Ends the scripted model, once it has been started.
        """
        self.project = home / "scripted" / "re-flow"
        self._stack = stack
        self._url: str | None = None
        self._lock = asyncio.Lock()

    async def spec(self) -> RunSpec:
        """Return a submission on the demo's project, which is created on first use.

        Raises:
            Unavailable: if it cannot be created.
        """
        file = self.project.parent / "spec.json"
        async with self._lock:
            if not file.is_file():
                self.project.parent.mkdir(mode=0o711, exist_ok=True)
                spec = await make_project(self.project)
                file.write_text(spec.model_dump_json(), encoding="utf-8")
        spec = RunSpec.model_validate_json(file.read_bytes())
        # Not HEAD: `aideator apply` leaves it on a branch where nothing is broken.
        return spec.model_copy(update={"fresh": True, "ref": "main"})

    async def upstream(self, spec: RunSpec) -> str | None:
        """Return the scripted model's URL for a run on the demo's project, else None.

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
    """Create the demo's repository, and return a submission for it.

    Raises:
        Unavailable: if it cannot be created.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aideator.testing.demo_repo",
        str(repo),
        env=_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(
            "the demo's project cannot be created", hint="is git installed?"
        )
    return RunSpec.model_validate(json.loads(output))


@asynccontextmanager
async def scripted_model() -> AsyncIterator[str]:
    """Run the scripted model until the block ends; yield its address.

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
        env=_environment(),
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


def _environment() -> dict[str, str]:
    """Return what a child is given: the server's own environment holds its keys."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"HOME", "PATH"} or name.startswith("PYTHON")
    }
