"""Recognise test files by their paths, by the conventions of the known languages."""

import re

_TEST_FOLDER = re.compile(r"(^|/)(tests?|specs?|__tests__|testing|e2e)/", re.IGNORECASE)
_TEST_NAME = re.compile(
    r"(^|/)("
    r"test_[^/]*\.py|[^/]*_test\.py|tests\.py|conftest\.py"
    r"|[^/]*[._-](test|tests|spec|specs)\.[cm]?[jt]sx?"
    r"|[^/]*_test\.go"
    r"|[^/]*_(test|spec)\.(rb|rs|exs?|dart|cc|cpp|c)"
    r"|(Test[A-Z][^/]*|[^/]*(Tests?|TestCase|IT|Spec))"
    r"\.(java|kt|kts|scala|groovy|cs|swift|php)"
    r")$"
)
_SOURCE = re.compile(
    r"\.(py|[cm]?[jt]sx?|go|rb|rs|java|kts?|scala|groovy|cs|swift|php|exs?|dart"
    r"|cc|cpp|c|sh|bats|t)$"
)


def is_test(path: str) -> bool:
    """Return whether a file holds tests, or code for tests (fixtures, helpers)."""
    return bool(_TEST_NAME.search(path)) or bool(
        _TEST_FOLDER.search(path) and _SOURCE.search(path)
    )


def is_of_tests(path: str) -> bool:
    """Return whether a file lies among tests: a test, a helper, or their data."""
    return is_test(path) or bool(_TEST_FOLDER.search(path))
