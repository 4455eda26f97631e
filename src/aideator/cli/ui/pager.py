"""Show long output in a pager, by git's rules.

GIT_PAGER, the user's core.pager, PAGER, else less; an empty one or `cat` is none. Only
on a terminal. A repository's own configuration names no pager here: it may come from
somebody else. https://git-scm.com/docs/git-var#Documentation/git-var.txt-GITPAGER
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator


def page(text: str) -> None:
    """Write text to standard output through the user's pager, if there is one."""
    pager = _pager()
    if pager is None:
        sys.stdout.write(text)
        return
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    with subprocess.Popen(
        pager, shell=True, stdin=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(text)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the reader has seen enough
        process.wait()


def _pager() -> str | None:
    for command in _wishes():
        if command is not None:
            return command if command not in ("", "cat") else None
    return "less" if shutil.which("less") else None


def _wishes() -> Iterator[str | None]:
    yield os.environ.get("GIT_PAGER")
    yield _core_pager()
    yield os.environ.get("PAGER")


def _core_pager() -> str | None:
    try:
        asked = subprocess.run(
            ["git", "config", "--global", "--get", "core.pager"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None
