"""Parse a JSON object that no two parsers can read differently.

RFC 8259 leaves open what a key that stands twice means, and how much depth and which
numbers a parser can take. A caller could show one reading to the gateway, and another
one to the provider. What is accepted here has one reading, so its bytes may be passed
on as they are (decision 0067).
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

DEPTH_MAX = 100
"""Objects and arrays within each other. Common parsers stop at 128."""

VALUES_MAX = 1_000_000
"""Commas and brackets, those in strings included. They bound what the parsed body takes
in memory, which may be fifty times what it has in bytes. A million of them are more
than the tokens that a model takes."""

Path = tuple[Any, ...]
"""Where a value stands: `()` for the whole, else `(path of the parent, key)`."""


class AmbiguousJson(ValueError):
    """A body that is no JSON object, or that parsers read differently."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body.

    Raises:
        AmbiguousJson: with what is wrong, and where.
    """
    if len(body) > VALUES_MAX and _values(body) > VALUES_MAX:
        raise AmbiguousJson(f"the body has more than {VALUES_MAX} values")
    if _ESCAPED_KEY.search(body):
        raise AmbiguousJson("a key is written with escapes (\\u00..) that it needs not")
    try:
        # Python would also detect UTF-16 and UTF-32.
        text = body.decode()
        parsed = _STRICT.decode(text)
    except _Doubled:
        raise AmbiguousJson(_doubled(text)) from None
    except AmbiguousJson:
        raise
    except (ValueError, RecursionError):
        raise AmbiguousJson("the body is not a JSON object in UTF-8") from None
    if not isinstance(parsed, dict):
        raise AmbiguousJson("the body is not a JSON object")
    return parsed


def in_words(path: Path) -> str:
    """Write a path as `messages[0].content[1].source.type`."""
    steps: list[object] = []
    while path:
        path, step = path
        steps.append(step)
    written = ""
    for step in reversed(steps):
        if isinstance(step, int):
            written += f"[{step}]"
        elif isinstance(step, str) and step.isidentifier() and step.isascii():
            written += f".{step[:80]}"
        else:
            written += f"[{ascii(step)[:80]}]"
    return written.removeprefix(".")


_ESCAPED_KEY = re.compile(
    rb"\\u00(?:2[Dd]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9Aa])"
    rb'[^"\\]*"[ \t\r\n]*:'
)
"""A letter, digit, dash or underscore of a key, written as an escape. No encoder does
so, and who looks for `"max_tokens"` in the bytes would not find it."""


def _values(body: bytes) -> int:
    return body.count(b",") + body.count(b"{") + body.count(b"[")


class _Doubled(Exception):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubled
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise AmbiguousJson(f"the number {text[:20]} is too large")
    return number


def _no_number(text: str) -> None:
    raise AmbiguousJson(f"{text} is no number of JSON")


def _decoder(hook: Callable[[list[tuple[str, Any]]], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=hook, parse_float=_finite, parse_constant=_no_number
    )


_STRICT = _decoder(_object)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, doubled keys included."""


_AS_WRITTEN = _decoder(_Pairs)


def _doubled(text: str) -> str:
    """Return where a key stands twice. Parsing again is for this message alone."""
    try:
        places = _doubled_keys(_AS_WRITTEN.decode(text), ())
        return f"{in_words(next(places, ()))} stands twice"
    except (ValueError, RecursionError):
        return "a key stands twice"


def _doubled_keys(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, _Pairs):
        keys: set[str] = set()
        for key, item in value:
            if key in keys:
                yield (path, key)
            keys.add(key)
            yield from _doubled_keys(item, (path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _doubled_keys(item, (path, index))
