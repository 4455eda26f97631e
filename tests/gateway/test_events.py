"""Pieces of a stream: nothing is changed, and each ends between two events."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from aideator.gateway.events import HELD_BYTES_MAX, PIECE_BYTES, EventPieces

events = st.lists(
    st.builds(
        lambda size, newline: b"data: " + b"x" * size + newline * 2,
        st.integers(0, 2 * PIECE_BYTES),
        st.sampled_from([b"\n", b"\r\n"]),
    ),
    max_size=20,
)


@given(events=events, cuts=st.lists(st.integers(0, 5_000), max_size=8).map(sorted))
def test_pieces_are_whole_events_of_at_most_a_kibibyte_or_one_longer_event(
    events: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(events)
    ends = set(itertools.accumulate(map(len, events), initial=0))
    splitter, pieces = EventPieces(), list[bytes]()
    for left, right in itertools.pairwise([0, *cuts, max([len(stream), *cuts])]):
        pieces += splitter.feed(stream[left:right])
    assert splitter.rest() == b""
    assert b"".join(pieces) == stream
    assert ends.issuperset(itertools.accumulate(map(len, pieces)))
    assert all(len(piece) <= PIECE_BYTES or piece in events for piece in pieces)


def test_an_event_too_long_to_be_held_passes_as_it_comes() -> None:
    splitter = EventPieces()
    assert list(splitter.feed(b"x" * HELD_BYTES_MAX)) == []
    assert list(splitter.feed(b"x")) == [b"x" * (HELD_BYTES_MAX + 1)]
    assert not splitter.between_events
    assert list(splitter.feed(b"\n\n")) == [b"\n\n"]
    assert splitter.between_events
