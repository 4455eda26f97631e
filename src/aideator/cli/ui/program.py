"""The name under which this program can be called again."""

import os
import shutil
import sys
from pathlib import Path

_NAME = "aideator"


def program() -> str:
    """Return `aideator` if the shell finds this one by it, else a path to it."""
    called = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if called.name != _NAME or (found and Path(found).samefile(called)):
        return _NAME
    relative = os.path.relpath(called.absolute())
    return relative if not relative.startswith("..") else str(called.absolute())
