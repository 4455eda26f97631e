"""Files that are no honest export: each is refused in words, whatever they hold."""

import contextlib
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.archive import format as archive
from aideator.archive.format import Archive, pack, unpack
from aideator.domain.errors import InvalidInput
from aideator.domain.events import AgentOutput, Complete, Event
from aideator.domain.run import (
    RunDetails,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)

RUN = "01a2123d-9ad8-72b4-bc7d-6ffe6e745ce9"
AT = datetime(2026, 11, 25, 10, tzinfo=UTC)


def event(seq: int, **fields: Any) -> bytes:
    body = fields.pop("body", AgentOutput(channel="message", text="\u2028 <b>é"))
    return (
        Event(
            **{"seq": seq, "run_id": RUN, "variation_id": 1, "at": AT, "body": body}
            | fields
        )
        .model_dump_json()
        .encode()
    )


END = Complete(status=RunStatus.FINISHED)


def whole() -> Archive:
    spec = RunSpec(
        repo_url="https://github.com/user/repo",
        prompt="Make addition add",
        variations=1,
    )
    variation = Variation(
        run_id=RUN, number=1, spec=spec.agents()[0], status=VariationStatus.FINISHED
    )
    details = RunDetails(
        id=RUN,
        spec=spec,
        status=RunStatus.FINISHED,
        created_at=AT,
        variations=(variation,),
    )
    return Archive(
        details,
        (event(1), event(2, variation_id=None, body=END)),
        {1: b"diff --git a/x b/x\n"},
    )


def changed(**members: bytes | None) -> bytes:
    """An export with other members: none to leave one out."""
    with zipfile.ZipFile(io.BytesIO(pack(whole()))) as file:
        content: dict[str, bytes | None] = {
            name: file.read(name) for name in file.namelist()
        }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in (content | members).items():
            if data is not None:
                file.writestr(name, data)
    return out.getvalue()


def run_json(**fields: Any) -> bytes:
    return json.dumps(
        json.loads(whole().details.model_dump_json(exclude={"imported_at"})) | fields
    ).encode()


def test_what_was_packed_is_unpacked() -> None:
    assert unpack(pack(whole())) == whole()
    assert unpack(changed()) == whole()


VARIATION = json.loads(whole().details.variations[0].model_dump_json())
HOSTILE = {
    "no archive": (b"hello", "no archive"),
    "nothing": (b"", "no archive"),
    "cut off": (pack(whole())[:-30], "no archive"),
    "a path out of it": (
        changed(**{"../../etc/passwd": b"x"}),
        "holds what no export holds",
    ),
    "an absolute path": (
        changed(**{"/etc/cron.d/x": b"x"}),
        "holds what no export holds",
    ),
    "a patch of nobody": (
        changed(**{"patches/7.patch": b"x"}),
        "patch of a variation that it does not have",
    ),
    "a part is missing": (changed(**{"events.ndjson": None}), "lacks a part"),
    "a newer format": (changed(**{"aideator.json": b'{"format": 2}'}), "newer version"),
    "no format": (changed(**{"aideator.json": b"[]"}), "which format"),
    "not JSON": (changed(**{"run.json": b"{"}), "run.json"),
    "deep JSON": (changed(**{"aideator.json": b"[" * 999}), "no archive"),
    "a field of the wrong type": (
        changed(**{"run.json": run_json(status="great")}),
        "run.json: status",
    ),
    "an id that is no id": (changed(**{"run.json": run_json(id="../x")}), "no UUID"),
    "a run that goes on": (
        changed(**{"run.json": run_json(status="running")}),
        "has not ended",
    ),
    "a variation that goes on": (
        changed(
            **{"run.json": run_json(variations=[VARIATION | {"status": "queued"}])}
        ),
        "has not ended",
    ),
    "a winner without a decision": (
        changed(**{"run.json": run_json(winner=1)}),
        "a decided run has a winner",
    ),
    "variations of another run": (
        changed(**{"run.json": run_json(variations=[VARIATION | {"run_id": "x"}])}),
        "another run's",
    ),
    "a gap": (
        changed(**{"events.ndjson": event(1) + b"\n" + event(3, body=END) + b"\n"}),
        "line 2",
    ),
    "an event of another run": (
        changed(**{"events.ndjson": event(1, run_id="x", body=END) + b"\n"}),
        "line 1",
    ),
    "an event of nobody": (
        changed(**{"events.ndjson": event(1, variation_id=9, body=END) + b"\n"}),
        "line 1",
    ),
    "no end": (changed(**{"events.ndjson": event(1) + b"\n"}), "does not end with"),
    "an event with more in it": (
        changed(
            **{"events.ndjson": event(1, body=END)[:-1] + b',"html":"<script>"}\n'}
        ),
        "line 1",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_whole_and_sound_is_refused_with_the_place(
    name: str,
) -> None:
    file, words = HOSTILE[name]
    with pytest.raises(InvalidInput, match=words):
        unpack(file)


def test_a_name_that_comes_twice_is_refused() -> None:
    out = io.BytesIO(changed())
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(out, "a") as file,
    ):
        file.writestr("run.json", run_json())
    with pytest.raises(InvalidInput, match="the same name twice"):
        unpack(out.getvalue())


def test_a_bomb_is_met_by_a_bound_whatever_size_it_states(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive, "_MAX_PATCH", 1000)
    bomb = bytearray(changed(**{"patches/1.patch": b"\0" * 1_000_000}))
    with pytest.raises(InvalidInput, match="too large"):
        unpack(bytes(bomb))
    monkeypatch.setattr(archive, "_MAX_EVENTS", 1000)
    with pytest.raises(InvalidInput, match="too large"):
        unpack(changed(**{"events.ndjson": (b" " * 999_999) + b"\n"}))


@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(1, 60))
def test_damage_anywhere_is_refused_or_does_not_matter(
    noise: bytes, place: int, length: int
) -> None:
    file = pack(whole())
    damaged = file[: place % len(file)] + noise + file[place % len(file) + length :]
    with contextlib.suppress(InvalidInput):
        assert unpack(damaged).details.id == RUN
