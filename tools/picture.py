"""Take the README's pictures: run `aideator demo` and draw what a terminal shows.

    python tools/picture.py

The frames are drawn while the run is under way, from its events, by the code that draws
them on a terminal. Not part of `make check`: each run has its own times and ids.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from aideator.cli.ui.live import live
from aideator.cli.ui.reduce import RunView
from aideator.cli.ui.summary import print_outcome
from aideator.domain.events import Event
from aideator.domain.run import RunDetails

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 116, 40
COMMAND = [sys.executable, "-m", "aideator"]


def main() -> None:
    """Take both pictures: agents at work, and the decision."""
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        Path(home).chmod(0o711)
        at_work = watch_demo(home)
        run_id = json.loads(aideator(home + "/demo", "list", "--json"))[0]["id"]
        details = RunDetails.model_validate_json(
            aideator(home + "/demo", "show", run_id, "--json")
        )
    picture("working", lambda screen: screen.print(at_work))
    picture("decided", lambda screen: print_outcome(screen, details, simulated=True))


def environment(home: str) -> dict[str, str]:
    """What the command needs, and nothing of whoever takes the picture."""
    return {"PATH": os.environ["PATH"], "AIDEATOR_HOME": home}


def aideator(home: str, *arguments: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def watch_demo(home: str) -> RenderableType:
    """Follow a demo; return the frame in which each variation has used a third tool."""
    view, kept = RunView(), list[RenderableType]()
    command = [*COMMAND, "demo", "--json"]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            view.apply(Event.model_validate_json(line))
            if (
                not kept
                and view.variations
                and all(v.calls >= 3 for v in view.variations.values())
            ):
                kept.append(live(view, width=WIDTH, height=HEIGHT))
    if demo.returncode != 0:
        raise SystemExit("the demo failed: run `aideator doctor`")
    return kept[0]


def picture(name: str, draw: Callable[[Console], None]) -> None:
    """Write one picture.

    Its font is the reader's own: a picture must not fetch anything.
    """
    screen = Console(
        record=True,
        width=WIDTH,
        height=HEIGHT,
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    draw(screen)
    svg = screen.export_svg(title="aideator demo", unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace"
    )
    (PICTURES / f"{name}.svg").write_text(
        re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
