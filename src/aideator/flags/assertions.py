"""How much one line of a test asks for, and whether another asks for less.

Pure functions of single lines, by the patterns of `dialects.py`.
"""

import re
from collections import Counter
from functools import lru_cache

from aideator.flags.dialects import BROAD, EQUALITY, LOOSE, NEGATION, TRIVIAL

_LITERAL = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|\b\d[\w.]*"
    r"|\b(?:True|False|None|true|false|null|nil|undefined)\b"
)
_MESSAGE = re.compile(
    r"^(assert\b.*),\s*f?(?:\"[^\"]*\"|'[^']*')$|^[tbf]\.(?:Error|Fatal|Log)f?\(.*"
)
"""What is only printed when an assertion fails."""
_NOISE = re.compile(r"[\s\"'`()\[\]{},;\\]")
_PLACEHOLDER = "¤"
_CASE = re.compile(
    r"\([^()]*(?:\([^()]*\)[^()]*)*\),?$|\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\],?$"
    r"|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\},?$"
    r"|(?:pytest\.)?param\(.*\),?$|([\"']).*\1,$"
)
"""A row of a table of test cases."""
_LINES = 1_000
"""Lines that are kept with what was found in them: each is compared with many."""


def weakening(before: str, after: str) -> str:
    """Return how an assertion asks for less than the one that it replaces.

    As a verb phrase that follows the test's name; empty when it does not.
    """
    if strength(after) == 0 < strength(before):
        return "has an assertion that cannot fail"
    broader = _count_broad(after) > _count_broad(before)
    if broader or strength(after) < strength(before):
        return "has an assertion that says less than before"
    turned = _count_negations(before) != _count_negations(after)
    if turned or not literals(before) <= literals(after):
        return "expects something else than before"
    return ""


@lru_cache(_LINES)
def _count_broad(text: str) -> int:
    return len(BROAD.findall(text))


@lru_cache(_LINES)
def _count_negations(text: str) -> int:
    return len(NEGATION.findall(text))


@lru_cache(_LINES)
def strength(text: str) -> int:
    """Return how much an assertion asks for, as a rank.

    3 if it compares with one exact value, 2 for most, 1 if it says little more than
    that something is there, 0 if it cannot fail.
    """
    if TRIVIAL.search(text):
        return 0
    if EQUALITY.search(text):
        return 3
    return 1 if LOOSE.search(text) else 2


@lru_cache(_LINES)
def literals(text: str) -> Counter[str]:
    """Return the values that a line names, without those of its failure message."""
    asked = _MESSAGE.sub(lambda found: found[1] or "", text)
    return Counter(literal.strip("\"'`") for literal in _LITERAL.findall(asked))


@lru_cache(_LINES)
def skeleton(text: str) -> str:
    """Return a line without its values, white space and brackets."""
    return without_noise(_LITERAL.sub(_PLACEHOLDER, text))


def without_noise(text: str) -> str:
    """Return text without what a formatter may change: white space and brackets."""
    return _NOISE.sub("", text)


def is_bare_value(text: str) -> bool:
    """Return whether a line is nothing but a value, and no row of a table."""
    return skeleton(text) == _PLACEHOLDER and not text.endswith(",")


def is_case(text: str) -> bool:
    """Return whether a line is a row of a table of test cases."""
    return bool(_CASE.match(text))
