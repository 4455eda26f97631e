"""The ring of recent events answers without a gap, within its bounds."""

from hypothesis import given
from hypothesis import strategies as st

from aideator.eventlog.base import Entry
from aideator.eventlog.ring import Ring

MAX_ENTRIES, MAX_BYTES = 8, 100
BATCHES = st.lists(
    st.tuples(
        st.integers(0, 3),  # events that another process has written in between
        st.lists(st.integers(1, 40), min_size=1, max_size=6),  # sizes of the events
    ),
    min_size=1,
    max_size=12,
)


def published(
    batches: list[tuple[int, list[int]]],
) -> tuple[Ring, list[list[Entry]]]:
    """Publish batches; return the ring and the entries, in runs without a gap."""
    ring = Ring(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)
    seq, runs = 0, [list[Entry]()]
    for gap, sizes in batches:
        if gap:
            runs.append([])
        seq += gap
        fresh = [Entry(seq + n, "plan", b"x" * size) for n, size in enumerate(sizes, 1)]
        seq += len(fresh)
        runs[-1] += fresh
        ring.publish(fresh)
    return ring, runs


@given(BATCHES, st.integers(0, 60), st.integers(1, 10))
def test_it_returns_what_follows_without_a_gap_or_does_not_reach_back(
    batches: list[tuple[int, list[int]]], cursor: int, limit: int
) -> None:
    ring, runs = published(batches)
    found = ring.after(cursor, limit)
    if found is not None:
        assert found == [each for each in runs[-1] if each.seq > cursor][:limit]


@given(BATCHES)
def test_it_keeps_the_newest_entries_within_both_bounds(
    batches: list[tuple[int, list[int]]],
) -> None:
    ring, runs = published(batches)
    newest = runs[-1][-1]
    assert ring.after(newest.seq - 1, 1) == [newest]
    oldest = next(
        each.seq for each in runs[-1] if ring.after(each.seq - 1, 1) is not None
    )
    kept = [each for each in runs[-1] if each.seq >= oldest]
    assert len(kept) <= MAX_ENTRIES
    assert sum(len(each.data) for each in kept) <= MAX_BYTES
