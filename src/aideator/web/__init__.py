"""The page's files, which `make web` (or the build of a wheel) has put into `dist`.

They are read once and looked up by their path, so that no request ever reaches the file
system. How they are served is `aideator.api.site`; where they come from is the folder
`web` of the repository.
"""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DIST = Path(__file__).parent / "dist"
INDEX = "/index.html"
_ASSETS = "/assets/"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".md": "text/markdown; charset=utf-8",
}


@dataclass(frozen=True)
class StaticFile:
    """One file of the page."""

    body: bytes
    gzipped: bytes | None
    """The same, compressed when the page was built; None where that gains nothing."""
    type: str
    lasting: bool
    """Whether its name changes with its content, so that a browser may keep it for
    ever."""


def load(folder: Path = DIST) -> Mapping[str, StaticFile]:
    """Return the files by request path; empty if the page was not built here."""
    if not (folder / INDEX[1:]).is_file():
        return {}
    files: dict[str, StaticFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".gz":
            name = f"/{path.relative_to(folder)}"
            files[name] = _read(path, name)
    return files


def _read(path: Path, name: str) -> StaticFile:
    gzipped = path.with_name(f"{path.name}.gz")
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(
        body=path.read_bytes(),
        gzipped=gzipped.read_bytes() if gzipped.is_file() else None,
        type=_TYPES.get(path.suffix, guessed),
        lasting=name.startswith(_ASSETS),
    )
