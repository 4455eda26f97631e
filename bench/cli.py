"""Measure `aideator --help` beside a bare interpreter and an import of Typer.

    python -m bench.cli

CPU time is the figure to watch: it does not depend on what else the machine does. The
least of the repetitions is told.
"""

import resource
import subprocess
import sys
import time

REPETITIONS = 12
COMMANDS = {
    "aideator --help": ("-m", "aideator", "--help"),
    "aideator --version": ("-m", "aideator", "--version"),
    "python -c 'import typer'": ("-c", "import typer"),
    "python -c 'import typer.rich_utils'": ("-c", "import typer.rich_utils"),
    "python -c pass": ("-c", "pass"),
}


def measure(arguments: tuple[str, ...]) -> tuple[float, float]:
    """The least CPU seconds and wall-clock seconds of a new Python process."""
    spent, took = [], []
    for _ in range(REPETITIONS):
        before, start = (
            resource.getrusage(resource.RUSAGE_CHILDREN),
            time.perf_counter(),
        )
        subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(time.perf_counter() - start)
        spent.append(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        )
    return min(spent), min(took)


def main() -> None:
    figures = {name: measure(arguments) for name, arguments in COMMANDS.items()}
    ours = figures["aideator --help"][0]
    for name, (spent, took) in figures.items():
        print(
            f"{name:<36} {spent * 1000:5.0f} ms CPU {took * 1000:5.0f} ms  --help is "
            f"{ours / spent:.1f}×"
        )


if __name__ == "__main__":
    main()
