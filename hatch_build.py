"""Hatchling's hook: a wheel and an sdist hold the built page."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page before the files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the port's signature
        """Build the page, unless it came ready-made with an sdist.

        Raises:
            RuntimeError: if it cannot be built. A wheel without its page would only
                show that to its users.
        """
        root = Path(self.root)
        script = root / "web" / "build.py"
        if version == "editable" or not script.is_file():
            return
        if subprocess.run([sys.executable, script], check=False).returncode != 0:
            raise RuntimeError(
                "the page could not be built; install Node 20 and npm, then try again"
            )
