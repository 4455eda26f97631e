"""The 14 points of a conforming event stream, resuming, and what a reader may cost."""

import asyncio
import random
import socket
from pathlib import Path

import httpx2
import pytest

from aideator.api.stream import StreamSlots
from tests.api.stage import Frame, Stage, frames, open_stage, texts
from tests.conftest import PATIENCE


def stream_of(run_id: str) -> str:
    return f"/api/v1/runs/{run_id}/stream"


async def read_all(
    client: httpx2.AsyncClient, run_id: str, **headers: str
) -> list[Frame]:
    async with client.stream("GET", stream_of(run_id), headers=headers) as answer:
        assert answer.status_code == 200
        return [frame async for frame in frames(answer)]


async def test_a_stream_says_what_it_is_and_that_it_must_not_be_held_back(
    stage: Stage,
) -> None:
    run_id = await stage.finished_run()
    async with stage.client.stream(
        "GET", stream_of(run_id), headers={"Accept-Encoding": "gzip, br"}
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-store" in answer.headers["cache-control"]
        assert "content-encoding" not in answer.headers
        assert "content-length" not in answer.headers


async def test_the_reconnection_time_comes_first_even_if_nothing_has_happened(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    async with stage.client.stream("GET", stream_of(run_id)) as answer:
        assert await anext(answer.aiter_text()) == "retry: 3000\n\n"


async def test_every_event_has_its_seq_as_id_its_kind_as_name_and_itself_as_data(
    stage: Stage,
) -> None:
    run_id = await stage.finished_run(events=3)
    found = await read_all(stage.client, run_id)
    assert [frame.id for frame in found] == [1, 2, 3]
    assert [frame.kind for frame in found] == [
        "agent_output",
        "agent_output",
        "complete",
    ]
    assert all(
        frame.data["seq"] == frame.id and frame.data["body"]["kind"] == frame.kind
        for frame in found
    )


async def test_silence_is_broken_by_comments(stage: Stage) -> None:
    run_id = await stage.run()
    async with stage.client.stream("GET", stream_of(run_id)) as answer:
        lines = answer.aiter_lines()
        pings = 0
        while pings < 2:
            pings += await anext(lines) == ": ping"


async def test_a_stream_follows_live_and_ends_after_complete(stage: Stage) -> None:
    run_id = await stage.run()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_all(stage.client, run_id))
        for n in range(20):
            await stage.say(run_id, f"live {n}")
        await stage.complete(run_id)
    found = reading.result()
    assert texts(found) == [f"live {n}" for n in range(20)]
    assert found[-1].kind == "complete"


async def test_a_long_log_of_small_and_large_events_is_replayed_whole(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    said = ["x" * size for size in (10, 300, 9_000, 70_000) * 200]
    await stage.say(run_id, *said)
    await stage.complete(run_id)
    assert texts(await read_all(stage.client, run_id)) == said


async def test_any_text_arrives_as_it_was(stage: Stage) -> None:
    run_id = await stage.run()
    odd = [
        "two\nlines",
        "cr\rlf\r\n",
        "data: x\n\nid: 99",
        " next line",
        "",
        "日本 \U0001f9ea \x00",
    ]
    await stage.say(run_id, *odd)
    await stage.complete(run_id)
    assert texts(await read_all(stage.client, run_id)) == odd


@pytest.mark.parametrize("after", [1, 3, 4])
async def test_last_event_id_resumes_behind_that_event(
    stage: Stage, after: int
) -> None:
    run_id = await stage.finished_run(events=5)
    found = await read_all(stage.client, run_id, **{"Last-Event-ID": str(after)})
    assert [frame.id for frame in found] == list(range(after + 1, 6))


async def test_after_does_the_same_without_headers_and_a_header_wins(
    stage: Stage,
) -> None:
    run_id = await stage.finished_run(events=5)
    async with stage.client.stream(
        "GET", stream_of(run_id), params={"after": 3}
    ) as answer:
        assert [frame.id async for frame in frames(answer)] == [4, 5]
    async with stage.client.stream(
        "GET", stream_of(run_id), params={"after": 1}, headers={"Last-Event-ID": "4"}
    ) as answer:
        assert [frame.id async for frame in frames(answer)] == [5]


async def test_resuming_beyond_the_end_of_a_living_run_waits_for_what_comes(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    await stage.say(run_id, "seen")
    async with stage.client.stream(
        "GET", stream_of(run_id), headers={"Last-Event-ID": "1000"}
    ) as answer:
        lines = answer.aiter_lines()
        while await anext(lines) != ": ping":
            pass
        await stage.say(run_id, "new")
        await stage.complete(run_id)
        rest = [line async for line in lines]
    assert [line for line in rest if line.startswith("id:")] == ["id: 2", "id: 3"]


@pytest.mark.parametrize("seen", ["5", "6", "9007199254740991"])
async def test_who_has_seen_all_of_a_finished_run_is_told_not_to_come_back(
    stage: Stage, seen: str
) -> None:
    run_id = await stage.finished_run(events=5)
    answer = await stage.client.get(stream_of(run_id), headers={"Last-Event-ID": seen})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_decided_run_is_replayed_with_the_decision_and_ends(
    stage: Stage,
) -> None:
    run_id = await stage.finished_run(events=2)
    (
        await stage.client.post(
            f"/api/v1/runs/{run_id}/select", json={"winning_variation_id": 1}
        )
    ).raise_for_status()
    found = await read_all(stage.client, run_id)
    assert [frame.kind for frame in found] == [
        "agent_output",
        "complete",
        "selected",
        "complete",
    ]


@pytest.mark.parametrize(
    "wrong", ["x", "-1", "1.5", "1" * 5000, "9007199254740992", "²", "1\t2"]
)
async def test_an_id_that_no_event_can_have_is_refused(
    stage: Stage, wrong: str
) -> None:
    run_id = await stage.finished_run()
    answer = await stage.client.get(
        stream_of(run_id), headers={b"Last-Event-ID": wrong.encode("latin-1")}
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_head_shows_the_headers_and_does_not_stream(stage: Stage) -> None:
    run_id = await stage.run()
    answer = await stage.client.head(stream_of(run_id))
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/event-stream",
    )


async def test_accept_is_not_needed(stage: Stage) -> None:
    run_id = await stage.finished_run(events=2)
    for accept in ("*/*", "application/json", ""):
        assert len(await read_all(stage.client, run_id, accept=accept)) == 2


async def test_an_unknown_run_has_no_stream(stage: Stage) -> None:
    answer = await stage.client.get(stream_of("01a20273-0000-7000-8000-000000000000"))
    assert answer.status_code == 404
    assert "there is no run" in answer.json()["detail"]


async def test_readers_that_come_and_go_at_random_hear_every_event_once(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    total, dice = 2000, random.Random(7)

    async def fickle() -> list[Frame]:
        heard: list[Frame] = []
        while not heard or heard[-1].kind != "complete":
            patience = dice.randint(0, 150)
            headers = {"Last-Event-ID": str(heard[-1].id)} if heard else {}
            async with stage.client.stream(
                "GET", stream_of(run_id), headers=headers
            ) as answer:
                async for frame in frames(answer):
                    heard.append(frame)
                    if patience == 0:
                        break
                    patience -= 1
        return heard

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(fickle()) for _ in range(5)]
        for n in range(0, total, 20):
            await stage.say(run_id, *(f"{n + k}" for k in range(20)))
            await asyncio.sleep(0)
        await stage.complete(run_id)
    stored = [entry.seq for entry in await stage.log.read(run_id, limit=5000)]
    for reader in readers:
        assert [frame.id for frame in reader.result()] == stored
        assert texts(reader.result()) == [str(n) for n in range(total)]


async def test_a_client_that_leaves_frees_its_slot_at_once(home: Path) -> None:
    async with open_stage(home, slots=StreamSlots(total=1)) as stage:
        run_id = await stage.run()
        for _ in range(5):
            async with asyncio.timeout(PATIENCE):
                while True:
                    async with stage.client.stream("GET", stream_of(run_id)) as answer:
                        if answer.status_code == 200:
                            break
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "slots",
    [StreamSlots(total=2, per_client=9), StreamSlots(total=9, per_client=2)],
)
async def test_more_streams_than_there_are_slots_are_refused_early(
    home: Path, slots: StreamSlots
) -> None:
    async with open_stage(home, slots=slots) as stage:
        run_id = await stage.run()
        async with (
            stage.client.stream("GET", stream_of(run_id)),
            stage.client.stream("GET", stream_of(run_id)),
        ):
            answer = await stage.client.get(stream_of(run_id))
            assert answer.status_code == 429
            assert answer.headers["retry-after"]
            assert (await stage.client.get(f"/api/v1/runs/{run_id}")).status_code == 200


async def test_a_reader_that_stops_reading_costs_little_and_holds_up_nobody(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    with socket.create_connection(("127.0.0.1", stage.port)) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(
            f"GET {stream_of(run_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        )
        block = "x" * 50_000
        for _ in range(200):
            await stage.say(run_id, block)
        await stage.complete(run_id)
        assert len(await read_all(stage.client, run_id)) == 201
        held = sum(
            connection.transport.get_write_buffer_size()
            for connection in stage.server.server_state.connections
        )
        assert held < 2**20  # of the 10 MB that it has not read
