"""The proxy of set-up: allowed hosts, and nothing that parsers may read differently."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.setup.egress import Egress, Proxy, open_proxy
from aideator.setup.proxy_request import RequestRefused, parse
from tests.conftest import PATIENCE

PUBLIC = Egress(allowed_hosts=frozenset({"good.example", "mirror.example:8443"}))


@dataclass
class Host:
    """A server on loopback that keeps what it is told, and answers with it."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    host = Host()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        said = await reader.read(65_536)
        host.heard.append(said)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


async def say(proxy: Proxy, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(proxy.socket)
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        said = await reader.read(-1)
    writer.close()
    return said


@pytest.mark.parametrize(
    ("head", "host", "port", "onward"),
    [
        (
            b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443",
            "good.example",
            443,
            None,
        ),
        (b"CONNECT Good.Example:443 HTTP/1.0", "good.example", 443, None),
        (
            b"GET http://good.example/simple/?a=b HTTP/1.1\r\nHost: evil.example\r\n"
            b"Accept: */*\r\nConnection: close",
            "good.example",
            80,
            b"GET /simple/?a=b HTTP/1.1\r\nhost: good.example\r\nconnection: close\r\n"
            b"accept: */*\r\n\r\n",
        ),
        (
            b"HEAD http://mirror:8080 HTTP/1.1\r\nProxy-Authorization: x\r\n"
            b"Content-Length: 0",
            "mirror",
            8080,
            b"HEAD / HTTP/1.1\r\nhost: mirror:8080\r\nconnection: close\r\n\r\n",
        ),
        (
            b"GET http://a?q HTTP/1.1",
            "a",
            80,
            b"GET /?q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        ),
    ],
)
def test_a_request_has_one_reading(
    head: bytes, host: str, port: int, onward: bytes | None
) -> None:
    request = parse(head)
    assert (request.host, request.port, request.forwarded) == (host, port, onward)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1",
        b"GET /simple HTTP/1.1\r\nHost: good.example",
        b"CONNECT good.example HTTP/1.1",
        b"CONNECT good.example:0 HTTP/1.1",
        b"CONNECT good.example:99999 HTTP/1.1",
        b"CONNECT good.example.:443 HTTP/1.1",
        b"CONNECT .good.example:443 HTTP/1.1",
        b"CONNECT good..example:443 HTTP/1.1",
        b"CONNECT evil.example\x00.good.example:443 HTTP/1.1",
        b"CONNECT evil.example%00.good.example:443 HTTP/1.1",
        b"CONNECT good.example@evil.example:443 HTTP/1.1",
        b"CONNECT [::1]:443 HTTP/1.1",
        b"CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1",
        "CONNECT goodı.example:443 HTTP/1.1".encode(),
        b"CONNECT good.example:443\tHTTP/1.1",
        b"CONNECT  good.example:443 HTTP/1.1",
        b"CONNECT good.example:443 HTTP/2.0",
        b"CONNECT good.example:443/x HTTP/1.1",
        b"CONNECT " + b"a" * 64 + b".org:443 HTTP/1.1",
        b"CONNECT " + b"a." * 130 + b"org:443 HTTP/1.1",
        b"POST http://good.example/ HTTP/1.1",
        b"get http://good.example/ HTTP/1.1",
        b"GET https://good.example/ HTTP/1.1",
        b"GET ftp://good.example/ HTTP/1.1",
        b"GET http:good.example/ HTTP/1.1",
        b"GET http:///good.example/ HTTP/1.1",
        b"GET http://user@good.example/ HTTP/1.1",
        b"GET http://good.example\\@evil.example/ HTTP/1.1",
        b"GET http://good.example#@evil.example/ HTTP/1.1",
        b"GET http://good.example/#x HTTP/1.1",
        b"GET http://good.example/ HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"GET http://good.example/ HTTP/1.1\r\nContent-Length: 4",
        b"GET http://good.example/ HTTP/1.1\r\nContent-Length: 0, 4",
        b"GET http://good.example/ HTTP/1.1\r\n folded: x",
        b"GET http://good.example/ HTTP/1.1\r\nX : y",
        b"GET http://good.example/ HTTP/1.1\r\nX: a\nHost: evil.example",
        b"GET http://good.example/ HTTP/1.1\r\nX: a\rHost: evil.example",
        b"GET http://good.example/ HTTP/1.1\r\nX: a\x00b",
        b"GET http://good.example/\nHost: evil.example HTTP/1.1",
        b"GET http://good.example/ HTTP/1.1\nHost: evil.example",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(RequestRefused):
        parse(head)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    for start in (
        b"",
        b"CONNECT ",
        b"GET http://",
        b"GET http://good.example/ HTTP/1.1\r\n",
    ):
        try:
            request = parse(start + head)
        except RequestRefused:
            continue
        assert request.host.isascii()
        assert not set(request.host) & set("\0\r\n@/\\:[] ")
        lines = (
            (request.forwarded or b"\r\n\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
        )
        assert all(
            b"\n" not in line and b"\r" not in line and b"\0" not in line
            for line in lines
        )


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("good.example", 443, True),
        ("good.example", 80, True),
        ("good.example", 22, False),
        ("files.good.example", 443, False),
        ("good.example.evil.example", 443, False),
        ("mirror.example", 8443, True),
        ("mirror.example", 443, False),
        ("169.254.169.254", 80, False),
    ],
)
def test_hosts_are_allowed_by_their_whole_name_and_port(
    host: str, port: int, allowed: object
) -> None:
    assert PUBLIC.allows(host, port) is allowed


async def test_a_host_that_the_operator_vouches_for_is_reached_both_ways(
    home: Path,
) -> None:
    async with (
        serving() as host,
        open_proxy(home / "s", Egress(private_hosts=frozenset({host.name}))) as proxy,
    ):
        plain = await say(
            proxy,
            f"GET http://{host.name}/x HTTP/1.1\r\nHost: y\r\n\r\nsmuggled".encode(),
        )
        tunnel = await say(proxy, f"CONNECT {host.name} HTTP/1.1\r\n\r\nhello".encode())
        assert plain.endswith(b"back")
        assert tunnel.startswith(
            b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK"
        )
        assert host.heard == [
            b"GET /x HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n"
            % host.name.encode(),
            b"hello",
        ]
        assert proxy.refused == {}
        assert proxy.transferred > 0


@pytest.mark.parametrize(
    ("egress", "target", "why"),
    [
        (Egress(), "127.0.0.1:{port}", "not a host that set-up may reach"),
        (PUBLIC, "127.0.0.1:{port}", "not a host that set-up may reach"),
        (PUBLIC, "2130706433:{port}", "not a host that set-up may reach"),
        # Allowed by name, and its name leads back to this machine.
        (
            Egress(frozenset({"localhost:{port}"})),
            "localhost:{port}",
            "has a private address",
        ),
        (Egress(frozenset({"127.1:{port}"})), "127.1:{port}", "has a private address"),
        (
            Egress(frozenset({"0x7f.1:{port}"})),
            "0x7f.1:{port}",
            "has a private address",
        ),
        (
            Egress(private_hosts=frozenset({"127.0.0.1:1"})),
            "127.0.0.1:{port}",
            "not a host that set-up may reach",
        ),
    ],
)
async def test_nothing_else_is_reached_by_any_name(
    home: Path, egress: Egress, target: str, why: str
) -> None:
    async with serving() as host:
        allowed, private = (
            frozenset(name.format(port=host.port) for name in names)
            for names in (egress.allowed_hosts, egress.private_hosts)
        )
        here = Egress(allowed, private)
        async with open_proxy(home / "s", here) as proxy:
            for request in (
                "CONNECT {} HTTP/1.1\r\n\r\n",
                "GET http://{}/ HTTP/1.1\r\n\r\n",
            ):
                said = await say(
                    proxy, request.format(target.format(port=host.port)).encode()
                )
                assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n"), said
                assert why in said.decode()
            assert list(proxy.refused) == [target.format(port=host.port)]
        assert host.heard == []


async def test_a_host_that_is_not_there_is_said_so(home: Path) -> None:
    egress = Egress(frozenset({"nowhere.invalid"}), frozenset({"127.0.0.1:1"}))
    async with open_proxy(home / "s", egress) as proxy:
        async with asyncio.TaskGroup() as many:
            request = b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n\r\n"
            asked = [many.create_task(say(proxy, request)) for _ in range(5)]
        assert all(
            b"nowhere.invalid cannot be looked up: " in answer.result()
            for answer in asked
        )
        for host in ("nowhere.invalid:443", "127.0.0.1:1"):
            assert b"502 Bad Gateway" in await say(
                proxy, f"CONNECT {host} HTTP/1.1\r\n\r\n".encode()
            )
        assert len(proxy.refused) == 2


async def test_a_host_is_looked_up_once(home: Path) -> None:
    async with serving() as host:
        name, nowhere = f"localhost:{host.port}", f"nowhere.invalid:{host.port}"
        async with open_proxy(
            home / "s", Egress(private_hosts=frozenset({name, nowhere}))
        ) as proxy:
            async with asyncio.TaskGroup() as many:
                for _ in range(20):
                    many.create_task(
                        say(proxy, f"GET http://{name}/ HTTP/1.1\r\n\r\n".encode())
                    )
            assert len(host.heard) == 20
            assert set(proxy.addresses) == {"localhost"}
            proxy.addresses["nowhere.invalid"] = [
                "127.0.0.1"
            ]  # so no resolver is asked where that is
            assert (
                await say(proxy, f"GET http://{nowhere}/ HTTP/1.1\r\n\r\n".encode())
            ).endswith(b"back")


@pytest.mark.parametrize(
    ("url", "origin", "tls", "port"),
    [
        ("http://a.example/x", "https://a.example", True, 443),
        ("http://a.example:8443/x", "https://a.example:8443", True, 8443),
        ("http://a.example/x", "http://a.example", False, 80),
        ("http://a.example:8081/x", "http://a.example:8081", False, 8081),
    ],
)
def test_a_mirrors_credentials_are_for_its_origin(
    url: str, origin: str, tls: object, port: int
) -> None:
    egress = Egress(credentials={origin: "Basic secret"})
    head = f"GET {url} HTTP/1.1\r\nAuthorization: Basic b3du\r\nAccept: x".encode()
    authorized = egress.authorize(parse(head))
    assert (authorized.tls, authorized.port) == (tls, port)
    assert authorized.forwarded is not None
    assert authorized.forwarded.endswith(
        b"accept: x\r\nauthorization: Basic secret\r\n\r\n"
    )
    assert b"b3du" not in authorized.forwarded
    for other in (
        b"GET http://b.example/x HTTP/1.1",
        b"GET http://a.example:81/x HTTP/1.1",
        b"CONNECT a.example:443 HTTP/1.1",
    ):
        assert egress.authorize(parse(other)) == parse(other)
    assert "secret" not in repr(egress)


@pytest.fixture
def identity(home: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What `localhost` shows, and what it takes to believe it."""
    if shutil.which("openssl") is None:
        pytest.skip("this machine has no openssl to make a certificate with")
    key, made = home / "key.pem", home / "made.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(made),
    ]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(made, key)
    return shown, ssl.create_default_context(cafile=str(made))


async def test_a_mirror_that_wants_a_password_is_asked_by_the_proxy_over_tls(
    home: Path, identity: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    shown, believed = identity
    async with serving(shown) as host:
        name = f"localhost:{host.port}"
        egress = Egress(
            private_hosts=frozenset({name}),
            credentials={f"https://{name}": "Basic secret"},
        )
        async with open_proxy(home / "s", egress) as proxy:
            refused = await say(proxy, f"GET http://{name}/x HTTP/1.1\r\n\r\n".encode())
            assert b"502 Bad Gateway" in refused
            assert (
                b"offers no trusted TLS connection: CERTIFICATE_VERIFY_FAILED"
                in refused
            )
            assert host.heard == []
            proxy.ssl_context = believed
            said = await say(proxy, f"GET http://{name}/x HTTP/1.1\r\n\r\n".encode())
            assert said.endswith(b"back")
        assert host.heard == [
            b"GET /x HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n"
            b"authorization: Basic secret\r\n\r\n" % name.encode()
        ]


async def test_long_heads_and_too_many_bytes_end_the_connection(home: Path) -> None:
    async with serving() as host:
        egress = Egress(private_hosts=frozenset({host.name}), max_bytes=10)
        async with open_proxy(home / "s", egress) as proxy:
            assert b" 431 " in await say(
                proxy, b"GET http://x/ HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"
            )
            said = await say(
                proxy, f"CONNECT {host.name} HTTP/1.1\r\n\r\n{'x' * 100}".encode()
            )
            assert b"back" not in said
            assert host.heard in ([], [b""])


async def test_the_proxy_ends_with_all_its_connections(home: Path) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    silent = await asyncio.start_server(wait, "127.0.0.1", 0)
    name = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with open_proxy(home / "s", Egress(private_hosts=frozenset({name}))) as proxy:
        reader, writer = await asyncio.open_unix_connection(proxy.socket)
        writer.write(f"CONNECT {name} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        idle, other = await asyncio.open_unix_connection(proxy.socket)
        while proxy.connections < 2:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
    assert await reader.read(-1) == b""
    assert await idle.read(-1) == b""
    assert not (home / "s").exists()
    for connection in (writer, other):
        connection.close()
    silent.close()
