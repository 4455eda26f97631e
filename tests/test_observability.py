"""A log on a terminal neither acts on it nor hides anything."""

import os
import pty
import subprocess
import sys

SCRIPT = """
import structlog
from aideator.observability import configure_logging
configure_logging()
log = structlog.get_logger("aideator.test")
words = "rm\\U000e0072\\x1b]0;title\\x07\\u202e"
try:
    secret = "local variable"
    raise ValueError(words)
except ValueError:
    log.exception(words, path=words)
"""


def run_on_a_terminal(script: str) -> str:
    """Return what a program writes to standard error, which is a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen([sys.executable, "-c", script], stderr=theirs)
        os.close(theirs)
        output = bytearray()
        while data := read(terminal.fileno()):
            output += data
        assert process.wait() == 0
    return output.decode()


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux's way of saying that the other end was closed.
        return b""


def test_words_and_errors_of_others_are_spelled_out() -> None:
    shown = run_on_a_terminal(SCRIPT)
    words = "rm⟨U+E0072⟩⟨U+001B⟩]0;title⟨U+0007⟩⟨U+202E⟩"
    assert shown.count(words) == 3
    assert "\x1b]" not in shown
    assert not set(shown) & {"\U000e0072", "\u202e", "\x07"}
    assert "local variable" not in shown.replace('secret = "local variable"', "")
