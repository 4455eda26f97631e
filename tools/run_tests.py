"""Run the tests, and repeat those that failed beside other work.

    python tools/run_tests.py [pytest's arguments]

A test that fails once and passes when it is repeated has met a race, in itself or in
the program. Repeated alone on an idle machine it would nearly always pass; so it is
repeated three times while every core is kept busy, all of them have to pass, and the
report names it at the end.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LAST_FAILED = Path(".pytest_cache", "v", "cache", "lastfailed")
REPEATS = 3
TESTS_FAILED = 1
"""pytest's exit code when all tests ran and some failed."""


def main(arguments: Sequence[str]) -> int:
    """Run pytest; return 0 if every test passed, in the end."""
    LAST_FAILED.unlink(missing_ok=True)
    code = pytest(arguments)
    failed = last_failed()
    if code != TESTS_FAILED or not failed:
        return code
    report(f"{len(failed)} failed; repeating {REPEATS} times on a busy machine")
    with busy_cores():
        # In parallel, if they failed in parallel.
        workers = ["-n", "2"] if "-n" in arguments else []
        codes = [pytest([*workers, *failed]) for _ in range(REPEATS)]
    again = sum(code != 0 for code in codes)
    report(f"failed at first, then in {again} of {REPEATS} repetitions:", *failed)
    return TESTS_FAILED if again else 0


def pytest(arguments: Sequence[str]) -> int:
    """Run pytest in a process of its own and return its exit code."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, check=False).returncode


def last_failed() -> list[str]:
    """Return the ids of the tests that failed in the last run."""
    if not LAST_FAILED.is_file():
        return []
    return sorted(json.loads(LAST_FAILED.read_text()))


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with a process that only computes."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def report(headline: str, *lines: str) -> None:
    """Print a headline that stands out, and lines below it."""
    sys.stdout.write(f"\n=== {headline}\n" + "".join(f"    {x}\n" for x in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
