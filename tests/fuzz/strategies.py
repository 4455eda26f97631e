"""Hostile bytes that a parser's first look does not turn away."""

import json
import os
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FACTOR = int(os.environ.get("TORTURE", "1"))
"""How many times as many examples as in an ordinary run of the tests are tried."""


def examples(number: int) -> settings:
    """Try so many examples, or a multiple of them under TORTURE."""
    return settings(
        max_examples=number * FACTOR,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


NASTY = (
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a surrogate in UTF-8
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\x1b[2J",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"\\ud83d",
    b"<",
    b"&amp;",
    b"]]>",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5_000,
    b"[" * 2_000,
    b'{"a":' * 1_000,
    b"A" * 10_000,
)
"""What is planted in valid documents."""

TEXTS = st.one_of(
    st.text(max_size=30),
    st.text("\0\r\n\t /\\\"'<>&#:;[]{}()=,.-@+", max_size=30),
    st.sampled_from(["\ud83d", "x\udc80", "\u2028", "..", "a" * 3_000, "-1", "NaN"]),
)
"""Texts for fields, with lone surrogates."""

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([10**4_000, -(10**400), 2**63, 2**31]),
)

JSON: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.none(), NUMBERS, TEXTS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=8,
)
"""Any value that Python's JSON reads, also where a text is expected."""


def objects(*names: str) -> st.SearchStrategy[dict[str, object]]:
    """Objects with some of these fields, of any type."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


def as_json(value: object) -> bytes:
    """Write a value in ASCII, so that a lone surrogate is one of JSON's escapes."""
    return json.dumps(value).encode()


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Documents that were valid: cut, doubled, spliced, with bytes changed."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        end = draw(st.integers(place, min(len(data), place + 200)))
        match draw(st.integers(0, 5)):
            case 0:
                del data[place:end]
            case 1:
                data[place:place] = data[place:end] * draw(st.integers(1, 50))
            case 2:
                data[place:end] = draw(st.sampled_from(NASTY))
            case 3:
                data[place:end] = draw(st.binary(max_size=8))
            case 4:
                data[place:] = draw(st.sampled_from(seeds))[place:]
            case 5 if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@st.composite
def repeated(draw: st.DrawFn, seeds: Sequence[bytes]) -> Callable[[int], bytes]:
    """Documents with one part again and again: a builder by the number of times."""
    seed = draw(st.sampled_from(seeds))
    place = draw(st.integers(0, len(seed)))
    end = draw(st.integers(place, min(len(seed), place + 120)))
    return lambda times: seed[:place] + (seed[place:end] or b"x") * times + seed[end:]


def around(
    before: bytes, part: bytes, after: bytes = b"", *, long: bytes = b""
) -> Callable[[int], bytes]:
    """Return a builder: a part many times, after a text as long as all of them.

    Args:
        before: What stands first.
        part: What is repeated; `%d` is its number.
        after: What stands last; `LONG` in it is the long text.
        long: What the long text consists of; it replaces `LONG` in all three.
    """

    def build(times: int) -> bytes:
        parts = b"".join(part.replace(b"%d", b"%d" % number) for number in range(times))
        text = long * (times * len(part))
        return before.replace(b"LONG", text) + parts + after.replace(b"LONG", text)

    return build
