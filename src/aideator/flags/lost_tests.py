"""Flag tests that failed on the base and do not run any more.

What a check's runs show, whatever the diff looks like: such a test may have been
deleted, skipped, renamed, or left out by a configuration.
"""

from collections.abc import Iterable, Iterator

from aideator.domain.check import FAILING
from aideator.domain.verdict import Change, CheckChange, Flag, FlagKind

MAX_FLAGS = 20


def flag_lost_tests(checks: Iterable[CheckChange]) -> tuple[Flag, ...]:
    """Return a flag for each test that failed on the base and is gone, up to a bound.

    Args:
        checks: What the change did to each check.
    """
    return tuple(_flags(checks))[:MAX_FLAGS]


def _flags(checks: Iterable[CheckChange]) -> Iterator[Flag]:
    for check in checks:
        for row in check.tests:
            if row.change is Change.GONE and row.before in FAILING:
                yield Flag(
                    kind=FlagKind.DELETED_TEST,
                    path=row.file or check.check,
                    message=f"The test `{row.test}` failed on the base, and does not"
                    " run any more.",
                )
