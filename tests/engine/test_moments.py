"""A crash, a stop, a shutdown, a further agent at every single moment of a run.

The machine of `test_machine.py` chooses at random; here every operation that the engine
waits for is the moment once, in the order in which it happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.engine.test_machine import EngineMachine, a_template

__all__ = ["a_template"]  # the database that machines start from

pytestmark = pytest.mark.slow

LONGEST = 400


@contextmanager
def run_of(variations: int) -> Iterator[EngineMachine]:
    """Submit a run; at the end it comes to its own, and is looked at."""
    machine = EngineMachine()
    machine.submit(variations)
    yield machine
    machine.teardown()


def advance(machine: EngineMachine, operations: int) -> bool:
    """Complete that many operations; False if there are not as many."""
    for _ in range(operations):
        if not machine.process.loop.step():
            return False
        machine.after_step()
    return True


def await_stop(machine: EngineMachine) -> None:
    """Go on until the last stop has returned."""
    for _ in range(LONGEST):
        if machine.cancelled[-1].returned is not None:
            return
        machine.process.loop.step()
    raise AssertionError("the stop does not return")


def at_every_moment(variations: int, act: Callable[[EngineMachine], None]) -> int:
    """Act once after each operation of a run; return how many there are."""
    for moment in range(LONGEST):
        with run_of(variations) as machine:
            if not advance(machine, moment):
                return moment
            act(machine)
    raise AssertionError("the run does not end")


def test_a_crash_at_any_moment_costs_nothing_that_was_asked_for() -> None:
    moments = at_every_moment(2, lambda machine: machine.crash())
    assert moments > 50


def test_a_shutdown_at_any_moment_costs_nothing_that_was_asked_for() -> None:
    at_every_moment(2, lambda machine: machine.close())


def test_a_further_agent_may_join_at_any_moment() -> None:
    at_every_moment(1, lambda machine: machine.ask("add", 0, None))


def test_a_run_may_be_started_again_at_any_moment() -> None:
    at_every_moment(1, lambda machine: machine.ask("start", 0, None))


@pytest.mark.parametrize("number", [None, 1])
@pytest.mark.parametrize("gap", [0, 1, 4])
def test_a_second_stop_at_any_moment_changes_nothing(
    number: int | None, gap: int
) -> None:
    def stop_twice(machine: EngineMachine) -> None:
        machine.ask("cancel", 0, number)
        advance(machine, gap)
        machine.cancel_again()

    at_every_moment(1, stop_twice)


@pytest.mark.parametrize("number", [None, 1])
def test_a_stop_is_kept_when_the_process_dies_behind_it(number: int | None) -> None:
    def stop_and_crash(machine: EngineMachine) -> None:
        machine.ask("cancel", 0, number)
        await_stop(machine)
        machine.crash()

    at_every_moment(2, stop_and_crash)


@pytest.mark.parametrize("end", ["crash", "close"])
def test_a_follow_up_to_a_stopped_variation_survives_at_any_moment(end: str) -> None:
    def end_process(machine: EngineMachine) -> None:
        getattr(machine, end)()

    for moment in range(LONGEST):
        with run_of(2) as machine:
            advance(machine, 30)  # both are at work
            machine.ask("cancel", 0, 1)
            await_stop(machine)
            machine.ask("prompt", 0, 1)
            if not advance(machine, moment):
                return
            end_process(machine)
    raise AssertionError("the run does not end")


@pytest.mark.parametrize("what", ["prompt", "add"])
def test_a_crash_while_a_settled_run_is_reopened_reopens_its_log_as_well(
    what: str,
) -> None:
    for moment in range(LONGEST):
        with run_of(1) as machine:
            while advance(machine, 1):
                pass
            machine.ask(what, 0, 1)
            if not advance(machine, moment):
                return
            machine.crash()
    raise AssertionError("the run does not end")


def test_a_follow_up_while_a_run_is_concluded_is_carried_out() -> None:
    with run_of(1) as machine:
        whole = 0
        while advance(machine, 1):
            whole += 1
    for moment in range(whole - 25, whole + 1):
        with run_of(1) as machine:
            advance(machine, moment)
            machine.ask("prompt", 0, 1)
