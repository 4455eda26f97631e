"""Find the compilers and runtimes that this machine keeps outside the usual folders.

Version managers (rustup, nvm, SDKMAN, mise, …) and manual installations keep each
version in a folder of its own, which holds programs and libraries, no settings. Each
program is asked itself where that is: on PATH there may only be a manager's shim.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from aideator.setup.registries.base import ask

AUTO, NONE = "auto", "none"

_USUAL = (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin"))
"""Where sandboxes look for programs in any case."""

_QUESTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "cargo": (("rustc", "--print", "sysroot"), r"(.+)"),
    "go": (("go", "env", "GOROOT"), r"(.+)"),
    "java": (
        ("java", "-XshowSettings:properties", "-version"),
        r"^\s*java\.home = (.+)$",
    ),
    "node": (("node", "--print", "process.execPath"), r"(.+)/bin/node"),
}
"""Program → the command that tells its folder, and where that stands in its output."""


def find_toolchains() -> tuple[Path, ...]:
    """Return the folders of Go, Java, Node.js and Rust that sandboxes would not see.

    Those in `/usr/bin` and the like are visible anyway. A folder that holds the user's
    home, or much else, is left out: sandboxes shall see a compiler and nothing more.
    """
    found = (_folder_of(program) for program in _QUESTIONS)
    return tuple(dict.fromkeys(folder for folder in found if folder is not None))


def _folder_of(program: str) -> Path | None:
    there = shutil.which(program)
    if there is None or Path(there).parent in _USUAL:
        return None
    command, pattern = _QUESTIONS[program]
    answer = "\n".join(ask(*command))
    told = re.search(pattern, answer, re.MULTILINE)
    if told is None:
        return None
    folder = Path(told[1].strip())
    return folder if _holds_only(program, folder) else None


def _holds_only(program: str, folder: Path) -> bool:
    """Return whether a folder is that of one program, and of a version of it."""
    if not folder.is_absolute() or not (folder / "bin" / program).is_file():
        return False
    resolved = folder.resolve()
    return not any(
        path.is_relative_to(resolved) for path in (Path.home().resolve(), *_USUAL)
    )
