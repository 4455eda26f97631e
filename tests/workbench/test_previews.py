"""Previews of real servers inside sandboxes, requested through a real server."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.observability import REQUESTS
from aideator.workbench import preview_host as preview
from aideator.workbench.service import workbench_of
from tests.conftest import PATIENCE, comes_true, git
from tests.workbench.person import AT_WORK, Person, Shown, person
from tests.workbench.served import APP


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aid-") as directory:
        home = Path(directory)
        home.chmod(0o711)
        repo = home / "user-repo"
        (repo / "site").mkdir(parents=True)
        (repo / "calc.py").write_text("def add(a, b):\n    return a - b\n")
        (repo / "app.py").write_text(APP)
        (repo / "site/index.html").write_text("<script src=/app.js></script>")
        (repo / "site/app.js").write_text("document.title = 'shown'")
        git(repo, "init", "-q", "-b", "main")
        git(repo, "add", ".")
        git(repo, "commit", "-q", "-m", "A calculator with a page")
        yield home


@pytest.fixture(scope="module")
async def one(ground: Path) -> AsyncIterator[Person]:
    async with person(ground, ground / "user-repo") as looking:
        yield looking


@pytest.fixture(scope="module")
async def app(one: Person) -> Shown:
    """The project's app, running in a terminal of the copy."""
    await one.opens("python3 app.py 3000")
    shown = await one.previews(3000)
    assert (await shown.waits()).status_code == 200
    return shown


async def test_a_static_server_is_shown_with_absolute_paths(one: Person) -> None:
    await one.opens("cd site; exec python3 -m http.server 8123")
    shown = await one.previews(8123)
    page = await shown.waits()
    assert page.text == "<script src=/app.js></script>"
    assert page.headers["content-type"] == "text/html"
    assert (await shown.gets("/app.js")).text == "document.title = 'shown'"
    assert (await shown.gets("/nowhere")).status_code == 404


async def test_until_somebody_listens_a_page_says_so_and_loads_itself_anew(
    one: Person,
) -> None:
    shown = await one.previews(4999)
    answer = await shown.gets("/any/where")
    assert answer.status_code == 502
    assert '<meta http-equiv="refresh" content="1">' in answer.text
    assert "port 4999" in answer.text
    await one.opens("exec python3 -m http.server 4999")
    assert (await shown.waits()).status_code == 200


async def test_the_server_sees_a_request_to_itself(app: Shown) -> None:
    headers = {
        "Origin": f"http://{app.host}",
        "Referer": f"http://{app.host}/",
        "X-API-Key": "aid_secret",
    }
    headers |= {"X-Forwarded-Host": app.host, "Accept-Language": "de", "Cookie": "a=1"}
    method, path, seen = (
        await app.asks("GET", "/a%20b//c?q=%2F&r", headers=headers)
    ).json()
    assert (method, path) == ("GET", "/a%20b//c?q=%2F&r")
    told = {name.lower(): value for name, value in seen}
    assert told["host"] == "localhost:3000"
    assert told["origin"] == "http://localhost:3000"
    assert (told["accept-language"], told["cookie"]) == ("de", "a=1")
    assert not {"referer", "x-api-key", "x-forwarded-host"} & set(told)
    assert app.told["id"] not in str(seen)


async def test_methods_and_bodies_pass(app: Shown) -> None:
    assert (
        await app.asks("POST", "/", content=b"x" * 300_000)
    ).text == "300000 " + "x" * 20

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"piece "

    assert (
        await app.asks("POST", "/", content=pieces())
    ).text == "18 piece piece piece "
    head = await app.asks("HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert (await app.asks("DELETE", "/x")).json()[0] == "DELETE"


async def test_an_answer_comes_as_it_is_made(one: Person) -> None:
    serving = await one.opens("stty -echo; exec python3 app.py 3001")
    shown = await one.previews(3001)
    await shown.waits()
    async with shown.streams("/stream") as pieces:
        assert (
            await anext(pieces) == b"one"
        )  # and the second is not there before a key was pressed
        await serving.types("\r")
        assert await anext(pieces) == b"two"
        await serving.types("\r")
        assert [piece async for piece in pieces] == []


async def test_a_redirect_stays_within_the_preview(app: Shown) -> None:
    for path, leads in {
        "/moved": "/there?x=1#y",
        "/moved-slyly": "/example.org/",
        # Where the policy of the frame does not let it go.
        "/moved-away": "https://example.org/",
    }.items():
        answer = await app.gets(path)
        assert (answer.status_code, answer.headers["location"]) == (302, leads)


async def test_cookies_are_the_previews_own(app: Shown) -> None:
    cookies = (await app.gets("/cookie")).headers.get_list("set-cookie")
    # Or the frame of another site would not keep them.
    ours = "; SameSite=None; Secure; Partitioned"
    assert cookies == [f"a=1; Path=/; HttpOnly{ours}", f"b=2{ours}"]


async def test_the_policy_is_ours_whatever_the_server_says(
    one: Person, app: Shown
) -> None:
    answer = await app.gets("/lax")
    policy = answer.headers["content-security-policy"]
    assert answer.headers.get_list("content-security-policy") == [policy]
    assert policy.startswith(
        "sandbox allow-scripts allow-forms allow-same-origin allow-modals; "
        "default-src 'self' "
    )
    assert policy.endswith(f"frame-ancestors {one.server.url}")
    assert "form-action 'self'" in policy
    wanted = {
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-dns-prefetch-control": "off",
        "cache-control": "no-store",
        "x-kept": "yes",
    }
    assert {name: answer.headers[name] for name in wanted} == wanted
    assert "camera=()" in answer.headers["permissions-policy"]
    dropped = (
        "x-frame-options",
        "cross-origin-resource-policy",
        "link",
        "service-worker-allowed",
        "refresh",
    )
    assert not set(dropped) & set(answer.headers)


async def test_only_the_page_that_opened_it_may_frame_it_and_it_may_not_be_a_tab(
    one: Person, app: Shown
) -> None:
    tab = await app.gets("/", **{"Sec-Fetch-Dest": "document"})
    assert tab.status_code == 403
    assert "shown within AIdeator" in tab.text
    assert "default-src 'none'" in tab.headers["content-security-policy"]
    worker = await app.gets("/worker.js", **{"Service-Worker": "script"})
    assert worker.status_code == 403
    socket = await app.gets("/", Connection="Upgrade", Upgrade="websocket")
    assert socket.status_code == 501
    page = await one.client.get(one.server.url, headers={"Accept": "text/html"})
    if page.status_code == 200:  # unless the page was not built here
        port = one.server.url.rpartition(":")[2]
        assert (
            f"frame-src *.localhost:{port};" in page.headers["content-security-policy"]
        )


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/runs", "/health/live", "/metrics", "/docs", "/openapi.json"]
)
async def test_neither_api_nor_page_is_ever_at_the_host_of_a_preview(
    one: Person, app: Shown, path: str
) -> None:
    known = (await app.gets(path)).json()
    assert known[1] == path  # what listens inside has answered
    port = one.server.url.rpartition(":")[2]
    for host in (
        f"{'0' * 32}.localhost:{port}",
        f"{'A' * 32}.LOCALHOST:{port}",
        f"{'0' * 32}.localhost.",
    ):
        for method in ("GET", "POST", "OPTIONS"):
            answer = await one.client.request(
                method, one.server.url + path, headers={"Host": host}
            )
            assert answer.status_code == 404
            assert "This preview has ended." in answer.text


async def test_previews_are_no_requests_to_the_api(app: Shown) -> None:
    def counted() -> float:
        (metric,) = REQUESTS.collect()
        return sum(s.value for s in metric.samples if s.name.endswith("_count"))

    before = counted()
    await app.gets("/counted")
    assert counted() == before


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("printf 'garbage\\n\\n'", 502),
        ("printf ''", 502),
        (
            "printf 'HTTP/1.1 200 OK\\r\\nX: '; head -c 300000 /dev/zero | tr '\\0' x",
            502,
        ),
        (
            "while :; do printf 'HTTP/1.1 103 Early\\r\\nX: y\\r\\n\\r\\n'; done | "
            "head -c 200000",
            502,
        ),
        (
            "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nContent-Length: "
            "7\\r\\n\\r\\nhello'",
            502,
        ),
        (
            "printf 'HTTP/1.1 200 OK\\r\\nA: b\\r\\n injected: x\\r\\nContent-Length: "
            "2\\r\\n\\r\\nok'",
            200,
        ),
        ("printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 99\\r\\n\\r\\nshort'", None),
        (
            "printf 'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: "
            "chunked\\r\\n\\r\\nzz\\r\\n'",
            None,
        ),
    ],
)
async def test_a_server_that_speaks_garbage_harms_nobody(
    one: Person, said: str, status: int | None
) -> None:
    port = 5000
    once = (
        "import socket, subprocess, sys; s = socket.create_server(('127.0.0.1', "
        "int(sys.argv[1])));"
        "c = s.accept()[0]; c.recv(65536); subprocess.run(['sh', '-c', sys.argv[2]], "
        "stdout=c.fileno()); c.close()"
    )
    quoted = said.replace("'", "'\"'\"'")
    await one.opens(f"python3 -c \"{once}\" {port} '{quoted}'")
    shown = await one.previews(port)
    if status is None:  # it broke off after it had begun: so does our answer
        with pytest.raises(httpx2.RemoteProtocolError):
            await shown.waits()
    else:
        answer = await shown.waits()
        assert answer.status_code == status, answer.text
        assert "injected" not in answer.headers
    assert (await one.client.get("/runs")).status_code == 200
    assert (await one.client.delete(f"/previews/{shown.told['id']}")).status_code == 204


async def test_a_server_that_never_answers_is_given_up(
    one: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "HEAD_SECONDS", 0.3)
    silent = (
        "import socket; s = socket.create_server(('127.0.0.1', 5100)); held = "
        "[s.accept() for _ in range(99)]"
    )
    await one.opens(f'python3 -c "{silent}"')
    answer = await (await one.previews(5100)).waits()
    assert (
        answer.status_code,
        "does not answer as a web server does" in answer.text,
    ) == (502, True)


async def test_a_closed_preview_is_gone_and_what_was_under_way_is_broken_off(
    one: Person,
) -> None:
    await one.opens("stty -echo; exec python3 app.py 3002")
    shown = await one.previews(3002)
    await shown.waits()
    async with shown.streams("/stream") as pieces:
        assert await anext(pieces) == b"one"
        assert (
            await one.client.delete(f"/previews/{shown.told['id']}")
        ).status_code == 204
        with pytest.raises(httpx2.RemoteProtocolError):
            await anext(pieces)
    assert (await shown.gets()).status_code == 404
    assert (await one.client.delete(f"/previews/{shown.told['id']}")).status_code == 404


async def test_a_body_beyond_its_bound_is_refused(app: Shown) -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 2**20

    answer = await app.asks("POST", "/", content=flood())
    assert answer.status_code == 413


async def test_browsers_that_leave_free_their_connections(
    one: Person, app: Shown
) -> None:
    live = workbench_of(one.me.app).preview(app.told["id"])
    async with httpx2.AsyncClient(base_url=app.server.url, timeout=PATIENCE) as client:
        for _ in range(40):  # more than may be open at once
            async with client.stream(
                "GET", "/stream", headers={"Host": app.host}
            ) as answer:
                assert answer.status_code == 200
    # The fact that all are closed.
    await comes_true(lambda: not live._open)  # noqa: SLF001
    assert (await app.gets("/still")).status_code == 200


async def test_a_preview_beside_an_agent_is_told_in_the_verdict_and_ends_with_it(
    home: Path, repo: Path
) -> None:
    async with person(home, repo, AT_WORK, finished=False) as one:
        await one.opens("exec python3 -m http.server 8123")
        shown = await one.previews(8123)
        assert shown.told["place"] == "agent"
        assert "calc.py" in (await shown.waits()).text
        await one.runs("until [ -e begun ]; do sleep 0.05; done; touch go")
        done = await one.me.waits(one.run_id)
        assert done.variations[0].verdict is not None
        assert (
            "a person used a preview of this sandbox while the agent worked"
            in done.variations[0].verdict.notes
        )
        assert (await shown.gets()).status_code == 404
        assert (await one.looks())["previews"] == []


async def test_beyond_loopback_a_preview_needs_a_name_of_its_own(
    home: Path, repo: Path
) -> None:
    async with person(home, repo, allowed_hosts=("ide.example.org",)) as one:
        _, key = await one.me.app.create_key("alice")
        one.client.headers["X-API-Key"] = key
        named = {"Host": "ide.example.org"}
        refused = await one.client.post(
            f"{one.path}/previews", json={"port": 80}, headers=named
        )
        assert refused.status_code == 409
        assert "PREVIEW_HOST" in refused.json()["hint"]
        assert (await one.looks())["previews"] == []
    (home / "again").mkdir(mode=0o711)
    names: Any = {
        "allowed_hosts": ("ide.example.org",),
        "preview_host": "preview.example.org",
    }
    async with person(home / "again", repo, **names) as one:
        _, key = await one.me.app.create_key("alice")
        one.client.headers["X-API-Key"] = key
        there = {"Host": "ide.example.org", "Origin": "https://ide.example.org"}
        told = (
            await one.client.post(
                f"{one.path}/previews", json={"port": 80}, headers=there
            )
        ).json()
        assert told["url"] == f"https://{told['id']}.preview.example.org/"
        answer = await Shown(one.server, told).gets()
        assert "No server listens at port 80" in answer.text
        listed = (await one.client.get(f"{one.path}/terminals", headers=there)).json()
        assert listed["previews"] == [told]


async def test_several_pages_at_once_stay_apart(app: Shown) -> None:
    async with asyncio.TaskGroup() as tasks:
        many = [tasks.create_task(app.gets(f"/{number}")) for number in range(40)]
    assert [task.result().json()[1] for task in many] == [
        f"/{number}" for number in range(40)
    ]
