"""What a path says about the part that its file plays, by the conventions of the languages that we know."""

import re

_TEST_FOLDER = re.compile(r"(^|/)(tests?|specs?|__tests__|testing|e2e)/", re.IGNORECASE)
_TEST_NAME = re.compile(
    r"(^|/)("
    r"test_[^/]*\.py|[^/]*_test\.py|tests\.py|conftest\.py"
    r"|[^/]*[._-](test|tests|spec|specs)\.[cm]?[jt]sx?"
    r"|[^/]*_test\.go"
    r"|[^/]*_(test|spec)\.(rb|rs|exs?|dart|cc|cpp|c)"
    r"|(Test[A-Z][^/]*|[^/]*(Tests?|TestCase|IT|Spec))\.(java|kt|kts|scala|groovy|cs|swift|php)"
    r")$"
)
_SOURCE = re.compile(
    r"\.(py|[cm]?[jt]sx?|go|rb|rs|java|kts?|scala|groovy|cs|swift|php|exs?|dart|cc|cpp|c|sh|bats|t)$"
)


def is_test(path: str) -> bool:
    """Whether a file holds tests, or what tests are made with (fixtures, helpers), judged by its name and folder."""
    return bool(_TEST_NAME.search(path)) or bool(
        _TEST_FOLDER.search(path) and _SOURCE.search(path)
    )


def is_of_tests(path: str) -> bool:
    """Whether a file lies among tests, whatever it holds: a test, a helper, or the data of one."""
    return is_test(path) or bool(_TEST_FOLDER.search(path))
