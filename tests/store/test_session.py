import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from aideator.domain.errors import NotFound, Unavailable
from aideator.domain.run import RunSpec, RunStatus
from aideator.store import migrations, runs
from aideator.store.migrate import MIGRATIONS
from aideator.store.migrations import HEAD
from aideator.store.session import Database, open_database
from tests.store.conftest import submit, url_of

ONE_MORE = '''"""A later revision."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    op.add_column("run", sa.Column("colour", sa.String(), nullable=True))
    {then}
'''


VERSIONS = Path(migrations.__file__).parent / "versions"
NEWEST = max(file.name[:4] for file in VERSIONS.glob("[0-9]*.py"))


def scripts(home: Path) -> Path:
    """A copy of our migrations."""
    folder = home / "migrations"
    shutil.copytree(VERSIONS.parent, folder)
    return folder


def scripts_with_one_more(home: Path, then: str = "pass") -> str:
    """Our migrations and one more, as a later release would bring them."""
    folder = scripts(home)
    (folder / "versions" / "9999_one_more.py").write_text(
        ONE_MORE.format(newest=NEWEST, then=then)
    )
    return str(folder)


def scripts_of_the_first_release(home: Path) -> str:
    """Only the first migration."""
    folder = scripts(home)
    for later in set(folder.glob("versions/[0-9]*.py")) - set(
        folder.glob("versions/0001_*.py")
    ):
        later.unlink()
    return str(folder)


def columns(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(run)")]


def backups(home: Path) -> list[str]:
    return [file.name for file in home.glob("*.backup")]


async def test_the_migrations_make_exactly_the_tables_that_the_code_describes(
    db: Database,
) -> None:
    def difference(connection: Connection) -> list[object]:
        return list(
            compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
        )

    async with db.read() as session:
        assert await (await session.connection()).run_sync(difference) == []


def test_the_newest_revision_is_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_database_of_the_newest_revision_is_opened_without_alembic(
    home: Path,
) -> None:
    program = (
        "import asyncio, sys; from aideator.store.session import open_database\n"
        "async def main():\n"
        f"    async with open_database({url_of(home)!r}): pass\n"
        "asyncio.run(main()); print('alembic' in sys.modules)"
    )
    seen = [
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert seen == ["True", "False"]


async def test_what_was_stored_is_there_when_the_database_is_opened_again(
    home: Path,
) -> None:
    async with open_database(url_of(home)) as db:
        stored = await submit(db, "r1")
    async with open_database(url_of(home)) as db, db.read() as session:
        assert await runs.get(session, "r1") == stored
    assert backups(home) == []


async def test_a_migration_leaves_a_copy_of_the_older_database(home: Path) -> None:
    async with open_database(url_of(home)) as db:
        await submit(db, "r1")
    async with open_database(url_of(home), migrations=scripts_with_one_more(home)):
        pass
    assert "colour" in columns(home / "aideator.db")
    copy = home / f"aideator.db.{NEWEST}.backup"
    assert "colour" not in columns(copy)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT id FROM run").fetchall() == [("r1",)]


async def test_runs_of_the_first_release_can_be_read_after_every_migration_since(
    home: Path,
) -> None:
    async with open_database(
        url_of(home), migrations=scripts_of_the_first_release(home)
    ):
        pass
    spec = RunSpec(
        repo_url="https://github.com/user/repo", prompt="Refactor the main function"
    ).model_dump_json(include={"repo_url", "prompt", "variations"})
    with closing(sqlite3.connect(home / "aideator.db")) as connection:
        connection.execute(
            "INSERT INTO run (id, spec, status, checks, winner_reason, created_at,"
            " last_seq, announced) VALUES"
            " ('r1', ?, 'finished', '[]', '', '2026-11-22 09:20:00.000000', 0, 1)",
            (spec,),
        )
        connection.execute(
            "INSERT INTO variation (run_id, number, seat, status, attempt, usage,"
            " forgiven) VALUES ('r1', 1, '{}', 'finished', 1, '{}', 0)"
        )
        connection.commit()
    async with open_database(url_of(home)) as db, db.read() as session:
        run = await runs.get(session, "r1")
        (variation,) = await runs.variations(session, "r1")
    assert (run.status, run.setup, run.evidence) == (RunStatus.FINISHED, (), None)
    assert (variation.composed, variation.cleared) == ((), None)


async def test_a_migration_that_fails_half_way_changes_nothing(home: Path) -> None:
    async with open_database(url_of(home)):
        pass
    failing = scripts_with_one_more(home, then='raise RuntimeError("half way")')
    with pytest.raises(RuntimeError, match="half way"):
        async with open_database(url_of(home), migrations=failing):
            pass
    assert "colour" not in columns(home / "aideator.db")
    async with open_database(url_of(home)) as db:
        await submit(db, "r1")


async def test_a_database_of_a_newer_version_is_refused(home: Path) -> None:
    async with open_database(url_of(home), migrations=scripts_with_one_more(home)):
        pass
    with pytest.raises(
        Unavailable, match="9999, which this version of AIdeator does not know"
    ) as refusal:
        async with open_database(url_of(home)):
            pass
    assert "update AIdeator" in refusal.value.hint


async def test_a_damaged_database_is_refused_before_it_is_migrated(home: Path) -> None:
    async with open_database(url_of(home)) as db:
        for number in range(50):
            await submit(db, f"r{number}")
    file = home / "aideator.db"
    content = bytearray(file.read_bytes())
    content[-8192:] = b"\xff" * 8192
    file.write_bytes(content)
    with pytest.raises(Unavailable, match=r"damaged|malformed"):
        async with open_database(url_of(home), migrations=scripts_with_one_more(home)):
            pass


async def test_a_file_that_is_no_database_is_refused_with_what_to_do(
    home: Path,
) -> None:
    (home / "aideator.db").write_text("dear diary " * 1000)
    with pytest.raises(Unavailable, match="not a database") as refusal:
        async with open_database(url_of(home)):
            pass
    assert "DATABASE_URL" in refusal.value.hint


async def test_a_missing_folder_is_named_as_the_trouble(home: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open") as refusal:
        async with open_database(url_of(home / "nowhere")):
            pass
    assert "folder" in refusal.value.hint


async def test_a_write_that_raises_leaves_nothing(db: Database) -> None:
    await submit(db, "r1")

    async def note_and_stumble() -> None:
        async with db.write() as session:
            await runs.note(session, "r1", commit="abc")
            raise KeyError("stumble")

    with pytest.raises(KeyError):
        await note_and_stumble()
    async with db.read() as session:
        assert (await runs.get(session, "r1")).commit is None


async def test_writers_take_turns_and_lose_no_update(db: Database) -> None:
    await submit(db, "r1")

    async def increment() -> None:
        async with db.write() as session:
            count = len((await runs.get(session, "r1")).winner_reason)
            await asyncio.sleep(0)
            await runs.note(session, "r1", winner_reason="x" * (count + 1))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(increment())
    async with db.read() as session:
        assert (await runs.get(session, "r1")).winner_reason == "x" * 20


async def test_a_cancelled_writer_leaves_nothing_and_frees_its_turn(
    db: Database,
) -> None:
    await submit(db, "r1")
    inside = asyncio.Event()

    async def note_and_wait() -> None:
        async with db.write() as session:
            await runs.note(session, "r1", commit="abc")
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(note_and_wait())
        await inside.wait()
        writer.cancel()
    async with db.write() as session:
        assert (await runs.get(session, "r1")).commit is None


@pytest.mark.parametrize("cancellations", [1, 2, 3])
async def test_a_cancelled_caller_does_not_end_the_turn_of_its_thread_early(
    db: Database, cancellations: int
) -> None:
    await submit(db, "r1")
    reached, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(connection: Connection) -> None:
        connection.execute(text("UPDATE run SET winner_reason = 'thread'"))
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(db.transact(slowly))
        await reached.wait()
        for _ in range(cancellations):
            first.cancel()
            await asyncio.sleep(0)
        second = tasks.create_task(
            submit(db, "r2")
        )  # would meet a locked database after 0.1 s
        await asyncio.sleep(0.3)
        assert not second.done()
        go_on.set()
    async with db.read() as session:
        assert (await runs.get(session, "r1")).winner_reason == "thread"


async def test_a_reader_sees_one_moment(db: Database) -> None:
    await submit(db, "r1")
    async with db.read() as session:
        assert (await runs.get(session, "r1")).commit is None
        async with db.write() as writing:
            await runs.note(writing, "r1", commit="abc")
        assert (await runs.get(session, "r1")).commit is None
    async with db.read() as session:
        assert (await runs.get(session, "r1")).commit == "abc"


async def test_a_reader_cannot_write(db: Database) -> None:
    await submit(db, "r1")
    with pytest.raises(Unavailable, match="readonly"):
        async with db.read() as session:
            await runs.note(session, "r1", commit="abc")


async def test_a_lock_held_by_another_process_is_named(
    db: Database, home: Path
) -> None:
    with closing(sqlite3.connect(home / "aideator.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked") as refusal:
            await submit(db, "r1")
        assert "another process" in refusal.value.hint
        other.execute("COMMIT")
    await submit(db, "r1")


async def test_a_full_disk_is_named_and_nothing_is_half_written(db: Database) -> None:
    async with db.write() as session:
        pages = await session.scalar(text("PRAGMA page_count"))
        await session.execute(text(f"PRAGMA max_page_count = {pages}"))
    stored = 0

    async def submit_for_ever() -> None:
        nonlocal stored
        while True:
            await submit(db, f"r{stored:03}", agents=100)
            stored += 1

    with pytest.raises(Unavailable, match="full") as refusal:
        await submit_for_ever()
    assert "free some space" in refusal.value.hint
    async with db.read() as session:
        assert len(await runs.page(session, limit=500)) == stored
        with pytest.raises(NotFound):
            await runs.get(session, f"r{stored:03}")


async def test_a_write_that_is_cancelled_at_any_moment_leaves_the_connection_whole(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def write() -> None:
        async with db.write() as session:
            await session.execute(text("DELETE FROM run"))

    for spins in range(0, 1500, 5):
        task = asyncio.ensure_future(write())
        for _ in range(spins):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert [
        record.getMessage() for record in caplog.records if record.levelname == "ERROR"
    ] == []


async def test_a_write_that_is_cancelled_in_mid_statement_gives_the_lock_back(
    home: Path,
) -> None:
    async with open_database(
        f"sqlite+aiosqlite:///{home}/a.db", busy_timeout=0.3
    ) as database:
        async with database.write() as session:
            await session.execute(text("CREATE TABLE scratch (x)"))

        async def write() -> None:
            async with database.write() as session:
                for _ in range(
                    3
                ):  # rows that nobody has fetched keep SQLite's statement alive
                    await session.execute(
                        text("INSERT INTO scratch VALUES (1), (2) RETURNING x")
                    )

        for step in range(60):
            task = asyncio.get_running_loop().create_task(write())
            await asyncio.sleep(step / 20_000)
            task.cancel()
            await asyncio.wait([task])
            await write()
