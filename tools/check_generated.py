"""Refuse generated files that are out of step with the code they come from."""

import sys
from pathlib import Path

from render_characters import CHARACTERS, tables
from render_client import BLOCKING, blocking
from render_docs import PAGES
from render_sbom import SBOM, sbom
from render_types import TYPES, types

from aideator.settings import env_example

ROOT = Path(__file__).parent.parent
GENERATED = {
    ROOT / ".env.example": (env_example, "python -m aideator.settings > .env.example"),
    TYPES: (types, "python tools/render_types.py"),
    BLOCKING: (blocking, "python tools/render_client.py"),
    SBOM: (sbom, "python tools/render_sbom.py"),
    CHARACTERS: (tables, "python tools/render_characters.py"),
    **{path: (render, "python tools/render_docs.py") for path, render in PAGES.items()},
}


def main() -> int:
    """Compare every generated file with what its generator says now."""
    stale = 0
    for path, (generate, command) in GENERATED.items():
        if not path.is_file() or path.read_text() != generate():
            sys.stderr.write(
                f"{path.relative_to(ROOT)} is out of step with the code; run: "
                f"{command}\n"
            )
            stale += 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
