"""Slots are bounded, fair between runs, and never lost."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.engine.local.fair_slots import FairSlots


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


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


@settings(deadline=None, max_examples=60)
@given(
    capacity=st.integers(1, 3),
    works=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=12
    ),
)
def test_never_more_than_capacity_and_every_slot_comes_back(
    capacity: int,
    works: list[tuple[str, int, bool]],
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
            for run, steps, cancelled in works:
                task = group.create_task(work(run, steps))
                if cancelled:
                    await asyncio.sleep(0)
                    task.cancel()
        async with asyncio.timeout(5):  # all of them can be had again
            async with asyncio.TaskGroup() as group:
                for _ in range(capacity):
                    group.create_task(work("z", 1))

    asyncio.run(story())
