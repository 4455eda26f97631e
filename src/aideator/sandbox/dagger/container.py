"""The command line that opens a container, and the configuration of its launcher."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aideator
from aideator.domain.errors import SandboxUnavailable
from aideator.sandbox.base import Bind, Limits, PythonRuntime, Tree
from aideator.sandbox.dagger import cli
from aideator.sandbox.dagger.inside.change import BadChange, write_upper
from aideator.sandbox.dagger.options import DaggerOptions

RUN, PLATFORM = "/run/aideator", "/opt/aideator/platform"
"""Directories in the container for files of one run, and for AIdeator's own code."""
RUNTIME = PythonRuntime("python3", ("/opt/aideator/packages",), PLATFORM, ())
"""Python of the built-in agent in a container: the image's, with packages that the
module installs."""
MODULE_DIRECTORY = "dagger_module"
"""Directory of the module in a wheel; in a checkout it is the root."""


@dataclass(frozen=True)
class Container:
    """One container to open."""

    directory: Path
    """Its directory on the host, with the socket that the shim connects to."""
    tree: Tree
    limits: Limits
    binds: Sequence[Bind]
    uid: int
    """Uid of its processes."""

    @property
    def socket(self) -> Path:
        """The socket that is forwarded into the container."""
        return self.directory / "home"

    def command(self, program: Path, options: DaggerOptions) -> list[str]:
        """Write the changes that travel, and return the CLI's command line.

        Raises:
            SandboxUnavailable: if a layer cannot travel, or a bind does not exist.
        """
        lowest, *others = self.tree.layers
        changes = [*self._write_changes(others)]
        directories, files = self._sort_binds()
        config = {
            **launcher_config(self.limits, self.uid, options.workdir),
            "writable": self.tree.upper is not None,
            "changes": [f"{RUN}/change{number}" for number in range(len(changes))],
            "directories": [bind.target for bind in directories],
            "files": [bind.target for bind in files],
        }
        arguments: dict[str, str | Path | Sequence[Path]] = {
            "source": lowest.resolve(strict=True),
            "host": f"unix://{self.socket}",
            "launcher_config": json.dumps(config),
            "run_id": str(uuid4()),
            "platform": Path(aideator.__file__).parent,
            "image": options.image,
            "cache_volume": options.cache_volume,
            "changes": changes,
            "directories": [bind.source.resolve() for bind in directories],
            "files": [bind.source.resolve() for bind in files],
        }
        return cli.call(program, module_root(), "sandbox", arguments, then="stdout")

    def _write_changes(self, layers: Sequence[Path]) -> Iterator[Path]:
        for number, layer in enumerate(layers):
            target = self.directory / f"change{number}"
            try:
                with target.open("wb") as file:
                    write_upper(str(layer), file)
            except (OSError, BadChange) as error:
                raise SandboxUnavailable(
                    f"a layer of the tree cannot travel: {error}"
                ) from error
            yield target

    def _sort_binds(self) -> tuple[list[Bind], list[Bind]]:
        """Return those of directories, then those of files."""
        directories, files = list[Bind](), list[Bind]()
        for bind in self.binds:
            if not bind.source.exists():
                raise SandboxUnavailable(
                    f"{bind.source} should be visible in the sandbox, "
                    "but it does not exist"
                )
            (directories if bind.source.is_dir() else files).append(bind)
        return directories, files


def launcher_config(limits: Limits, uid: int, workdir: str) -> dict[str, Any]:
    """Return the launcher's configuration: paths in the container, and limits."""
    return {
        "run": RUN,
        "home": f"{RUN}/host",
        "shim": f"{PLATFORM}/aideator/sandbox/shim.py",
        "workspace": workdir,
        "uid": uid,
        "tmpfs": {"/tmp": 0o1777, "/home/agent": 0o700},
        "tmpfs_bytes": limits.tmp_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpus": limits.cpus,
        "start_cpus": limits.start_cpus,
        "start_seconds": limits.start_seconds,
        "pids": limits.pids,
        "disk_bytes": limits.disk_bytes,
        "wall_seconds": 0,
    }


def module_root() -> Path:
    """Return the directory of the Dagger module.

    Raises:
        SandboxUnavailable: if it is not installed.
    """
    package = Path(aideator.__file__).parent
    for root in (package / MODULE_DIRECTORY, package.parents[1]):
        if (root / "dagger.json").is_file():
            return root
    raise SandboxUnavailable(
        "AIdeator's Dagger module is not installed",
        hint="install AIdeator from its wheel",
    )
