"""Complete run ids in the shell.

It is called at each press of Tab: the ids are read from the database's file as it is,
without the store and its libraries.
"""

from collections.abc import Iterator

_MOST = 30
_PROMPT_WIDTH = 50


def complete_run_id(incomplete: str) -> list[tuple[str, str]]:
    """Return short ids of the newest runs that begin so, each with its prompt."""
    return [
        (short, prompt)
        for short, prompt in _newest()
        if short.startswith(incomplete.lower())
    ]


def _newest() -> Iterator[tuple[str, str]]:
    import sqlite3
    from contextlib import closing

    from aideator.cli.ui.escape import one_line
    from aideator.settings import SettingsError, load_settings

    try:
        file = load_settings().database.partition(":///")[2]
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT id, json_extract(spec, '$.prompt') FROM run"
                " ORDER BY id DESC LIMIT ?",
                (_MOST,),
            ).fetchall()
    except (SettingsError, sqlite3.Error):
        return
    for run_id, prompt in rows:
        yield run_id[-8:], one_line(prompt or "", _PROMPT_WIDTH)
