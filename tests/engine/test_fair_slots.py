"""Slots are bounded, fair between runs, and never lost."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.engine.local.fair_slots import FairSlots
from tests.conftest import PATIENCE


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def cancel_later(task: asyncio.Task[None], turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def test_a_small_run_does_not_wait_for_a_big_one() -> None:
    slots, begun, release = FairSlots(1), [], asyncio.Semaphore(0)

    async def work(run: str) -> None:
        async with slots.hold(run):
            begun.append(run)
            await release.acquire()

    async with asyncio.TaskGroup() as group:
        for run in ["big"] * 4 + ["small"]:
            group.create_task(work(run))
            await settle()
        for _ in range(5):
            release.release()
            await settle()
    assert begun == ["big", "big", "small", "big", "big"]


async def test_within_a_run_slots_are_given_in_the_order_of_asking() -> None:
    slots, begun = FairSlots(1), []

    async def work(number: int) -> None:
        async with slots.hold("run"):
            begun.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work(number))
    assert begun == [0, 1, 2, 3, 4]


async def test_a_slot_that_comes_together_with_a_cancellation_goes_to_the_next() -> (
    None
):
    slots, release, begun = FairSlots(1), asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with slots.hold("first"):
            await release.wait()

    async def begin() -> None:
        async with slots.hold("third"):
            begun.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await settle()
        second = group.create_task(wait_in_vain(slots))
        await settle()
        group.create_task(begin())
        await settle()
        release.set()
        await asyncio.sleep(0)  # the holder gives its slot to the second, which sleeps
        second.cancel()
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
    async with asyncio.timeout(PATIENCE), slots.hold("last"):
        pass


async def wait_in_vain(slots: FairSlots) -> None:
    async with slots.hold("second"):
        raise AssertionError("it was cancelled before it could run")


@settings(deadline=None, max_examples=100)
@given(
    capacity=st.integers(1, 3),
    works=st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(0, 3),
            st.none() | st.integers(0, 6),
        ),
        max_size=12,
    ),
)
def test_never_more_than_capacity_and_every_slot_comes_back(
    capacity: int,
    works: list[tuple[str, int, int | None]],
) -> None:
    async def story() -> None:
        slots, held = FairSlots(capacity), 0

        async def work(run: str, steps: int) -> None:
            nonlocal held
            async with slots.hold(run):
                held += 1
                assert held <= capacity
                try:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                finally:
                    held -= 1

        async with asyncio.TaskGroup() as group:
            for run, steps, cancelled_after in works:
                task = group.create_task(work(run, steps))
                if cancelled_after is not None:
                    group.create_task(cancel_later(task, cancelled_after))
        async with asyncio.timeout(PATIENCE):  # all of them can be had again
            async with asyncio.TaskGroup() as group:
                for _ in range(capacity):
                    group.create_task(work("z", 1))

    asyncio.run(story())
