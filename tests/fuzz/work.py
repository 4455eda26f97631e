"""What a parser may spend on an input, counted instead of timed.

Steps are lines of Python that run, memory is the peak that tracemalloc sees. Neither
sees the inside of a C function, such as a regular expression or the join of long
texts. So the largest inputs also run under a limit of CPU time, which expects nothing
of a machine: an honest parser needs a hundredth of it, a quadratic one a hundred
times as much.
"""

import signal
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

CPU_SECONDS = 12.0
"""CPU time after which a parser counts as hung."""
LARGE = 2**20
"""Bytes of the inputs that run under that limit."""
_SLACK = 2_000
"""Steps that a parser may take more often for the longer of two inputs."""


class Hung(BaseException):
    """A parser used more CPU time than any honest one.

    No `Exception`, so that no parser takes it for its own.
    """


def steps(parse: Callable[[], object]) -> int:
    """Return how many lines of Python a call runs."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse()
    finally:
        sys.settrace(before)
    return count


def peak_memory(parse: Callable[[], object]) -> int:
    """Return the most bytes that a call has allocated at one time."""
    tracemalloc.start()
    try:
        parse()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def cpu_limit() -> Iterator[None]:
    """Raise `Hung` in this thread after `CPU_SECONDS` of CPU time of this process."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Hung

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_growth(
    parse: Callable[[bytes], object], build: Callable[[int], bytes], *, per_byte: int
) -> None:
    """Check that work and memory grow in proportion to the input.

    Args:
        parse: The parser; may raise nothing.
        build: Returns an input of about so many repetitions of one part.
        per_byte: Bytes of memory that the parser may take for each byte of input.
    """
    short, long = build(60), build(120)
    parse(short)  # what is computed once, such as a pattern, counts for neither
    once, twice = steps(lambda: parse(short)), steps(lambda: parse(long))
    assert twice <= 2.2 * once + _SLACK, (once, twice, long[:2000])
    peak = peak_memory(lambda: parse(long))
    assert peak <= per_byte * len(long) + 2**20, (peak, len(long), long[:2000])


def check_large(
    parse: Callable[[bytes], object],
    build: Callable[[int], bytes],
    *,
    per_byte: int,
    size: int = LARGE,
) -> None:
    """Check one large input, for what no step of Python shows.

    Args:
        parse: The parser; may raise nothing.
        build: Returns an input of so many repetitions of one part.
        per_byte: Bytes of memory that the parser may take for each byte of input.
        size: Bytes of the input.
    """
    times = size // max(1, len(build(2)) - len(build(1)))
    data = build(times)
    with cpu_limit():
        parse(data)
    smaller = build(times // 4)
    peak = peak_memory(lambda: parse(smaller))
    assert peak <= per_byte * len(smaller) + 4 * 2**20, (peak, len(smaller))
