"""Recognise test files by their paths, by the conventions of the known languages."""

import re

_TEST_FOLDER = re.compile(
    r"(^|/)(tests?|specs?|__tests__|testing|testsuite|e2e|test-d|x?t(?=/[^/]*\.t$))/",
    re.IGNORECASE,
)
_TEST_NAME = re.compile(
    r"(^|/)("
    r"test_[^/]*\.py|[^/]*_tests?\.py|tests?\.py|conftest\.py|doctest_[^/]*\.py"
    r"|([^/]*[._-])?(test|tests|spec|specs)\.[cm]?[jt]sx?|test-[^/]*\.[cm]?[jt]sx?"
    r"|[^/]*\.(cy|e2e|test-d|spec-d)\.[cm]?[jt]sx?"
    r"|[^/]*_test\.go"
    r"|[^/]*_(tests?|spec)\.(rb|rs|exs?|dart|cc|cpp|c|php|lua|jl|erl)|tests?\.rs"
    r"|(test|tests|spec)_[^/]*\.(rb|rs|c|cc|cpp|php|lua|sh|jl)|runtests\.(jl|py)"
    r"|[^/]*\.(bats|phpt)"
    r"|(Test[A-Z][^/]*|[^/]*(Tests?|TestCase|IT|Spec))"
    r"\.(java|kt|kts|scala|groovy|cs|swift|php)"
    r")$"
)
_SOURCE = re.compile(
    r"\.(py|[cm]?[jt]sx?|go|rb|rs|java|kts?|scala|groovy|cs|swift|php|exs?|dart"
    r"|cc|cpp|c|sh|bats|t|pl|lua|jl|hs|feature)$"
)


def is_test(path: str) -> bool:
    """Return whether a file holds tests, or code for tests (fixtures, helpers)."""
    return bool(_TEST_NAME.search(path)) or bool(
        _TEST_FOLDER.search(path) and _SOURCE.search(path)
    )


def is_of_tests(path: str) -> bool:
    """Return whether a file lies among tests: a test, a helper, or their data."""
    return is_test(path) or bool(_TEST_FOLDER.search(path))
