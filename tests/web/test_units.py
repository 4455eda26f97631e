"""The page's own tests, which Vitest runs."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aideator.domain.visible import visible_text

ROOT = Path(__file__).parents[2]


BLOCK = 4096
SEED = 71
PIECES = (
    *("a", "1", " ", "\n", "\t", "\r", "\r\n", "é", "👩", "❤", "🏽", "🇪", "\u20e3"),
    *(
        "م",
        "ن",
        "क",
        "\u094d",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u00ad",
        "\ufe0e",
        "\ufe0f",
    ),
    *(
        "\u202e",
        "\U000e0041",
        "\U000e0100",
        "\x1b",
        "\x9b",
        "\u2028",
        "\u3164",
        "\ud800",
    ),
)


def samples() -> list[tuple[str, str]]:
    """Texts, each with what Python shows of it.

    Every character of Unicode, alone and where a joiner or selector stands beside it,
    and random sequences of what has a rule of its own.
    """
    texts = []
    for start in range(0, sys.maxunicode + 1, BLOCK):
        block = [chr(code) for code in range(start, start + BLOCK)]
        texts += [
            "a".join(block),
            "".join(f"{c}\ufe0f👩\u200d{c}\u200d" for c in block),
        ]
        texts.append("".join(f"م\u200c{c}\u200d" for c in block))
    pick = random.Random(SEED)
    texts += [
        "".join(pick.choices(PIECES, k=pick.randint(1, 12))) for _ in range(5_000)
    ]
    return [(text, visible_text(text)) for text in texts]


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
def test_the_page_passes_its_own_tests_and_spells_out_what_python_does(
    tmp_path: Path,
) -> None:
    file = tmp_path / "samples.json"
    file.write_text(json.dumps(samples()))
    done = subprocess.run(
        [sys.executable, ROOT / "web" / "build.py", "test"],
        env=os.environ | {"VISIBLE_SAMPLES": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
