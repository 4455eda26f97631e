"""What a check said about a tree is found again, whole, and old answers go."""

from datetime import timedelta

from sqlalchemy import update
from sqlmodel import col

from aideator.domain.check import CheckResult, Measurement, TestOutcome, TestResult
from aideator.domain.run import now
from aideator.store.measurements import KEPT_DAYS, find, keep, pack
from aideator.store.session import Database
from aideator.store.tables import MeasurementRow

LARGE = Measurement(
    result=CheckResult(
        check="tests",
        exit_code=1,
        seconds=2.5,
        source="junit",
        tests=tuple(
            TestResult(
                test=f"größe::test_{n}", outcome=TestOutcome.PASSED, file="größe"
            )
            for n in range(20_000)
        ),
    ),
    covered=(3, 4),
)


async def test_a_measurement_comes_back_with_every_test_and_takes_little_room(
    db: Database,
) -> None:
    small = LARGE.model_copy(
        update={"result": LARGE.result.model_copy(update={"tests": ()})}
    )
    await db.transact(
        lambda connection: keep(connection, {"a": pack(LARGE), "b": pack(small)})
    )
    assert await db.look(lambda connection: find(connection, ["a", "b", "c"])) == {
        "a": LARGE,
        "b": small,
    }
    assert len(pack(LARGE)) < 200_000


async def test_the_newest_answer_to_a_question_holds(db: Database) -> None:
    newer = LARGE.model_copy(update={"covered": (1, 2)})
    await db.transact(lambda connection: keep(connection, {"a": pack(LARGE)}))
    await db.transact(lambda connection: keep(connection, {"a": pack(newer)}))
    found = await db.look(lambda connection: find(connection, ["a"]))
    assert found["a"].covered == (1, 2)


async def test_old_measurements_go_when_new_ones_come(db: Database) -> None:
    await db.transact(lambda connection: keep(connection, {"old": pack(LARGE)}))
    long_ago = now() - timedelta(days=KEPT_DAYS + 1)
    aged = (
        update(MeasurementRow)
        .values(created_at=long_ago)
        .where(col(MeasurementRow.key) == "old")
    )
    await db.transact(lambda connection: connection.execute(aged))
    await db.transact(lambda connection: keep(connection, {"new": pack(LARGE)}))
    assert set(await db.look(lambda connection: find(connection, ["old", "new"]))) == {
        "new"
    }
