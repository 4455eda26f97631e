"""Find out by trying what a container can reach beyond itself.

An engine may close the network or leave it open, and only the container sees which. The
probe looks for: an answer from the internet or from a cloud's metadata server (which
holds credentials), a route there although nothing answered, a name server that asks
others (data can leave in names), and a network with the engine and its other
containers.
"""

import os
import select
import socket
import time
from contextlib import suppress

PROBE_SECONDS = 1.0
INTERNET, METADATA, ROUTE, NAMES, NEIGHBOURS = (
    "internet",
    "cloud metadata",
    "route",
    "names",
    "neighbours",
)
"""What can be reached. All but the neighbours are outside."""
ADDRESSES = {
    ("1.1.1.1", 443): INTERNET,
    ("8.8.8.8", 53): INTERNET,
    ("169.254.169.254", 80): METADATA,
}
_REFUSED = 111  # ECONNREFUSED: a host out there answered so
_NO_ERROR, _NO_SUCH_NAME = 0, 3


def probe() -> "list[str]":
    """Return what can be reached, within about a second."""
    found = set(_routes())
    if not found:
        return []
    return sorted(found | _reached() | _names())


def _routes() -> "set[str]":
    """Return what the kernel's tables lead to: a default route, or neighbours."""
    found = set()
    with suppress(OSError), open("/proc/net/route", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            interface, destination = line.split()[:2]
            if interface != "lo":
                found.add(ROUTE if int(destination, 16) == 0 else NEIGHBOURS)
    with suppress(OSError), open("/proc/net/ipv6_route", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[-1] != "lo":
                is_default = fields[0].strip("0") == "" and fields[1] == "00"
                found.add(ROUTE if is_default else NEIGHBOURS)
    return found


def _reached() -> "set[str]":
    """Return which of `ADDRESSES` answer a connection."""
    begun, found = _begin(), set[str]()
    deadline = time.monotonic() + PROBE_SECONDS
    while begun and INTERNET not in found and (left := deadline - time.monotonic()) > 0:
        for probe in select.select([], list(begun), [], left)[1]:
            what = begun.pop(probe)
            if probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, _REFUSED):
                found.add(what)
            probe.close()
    for probe in begun:
        probe.close()
    return found


def _begin() -> "dict[socket.socket, str]":
    """Begin the connections, without waiting for them."""
    begun = {}
    for address, what in ADDRESSES.items():
        probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            probe.connect(address)
        except BlockingIOError:
            begun[probe] = what
        except OSError:  # no route there: as it should be
            probe.close()
    return begun


def _names() -> "set[str]":
    """Return whether the name server asks others about a name that is certainly new."""
    label = os.urandom(8).hex().encode()
    question = bytes([len(label)]) + label + b"\x03com\x00\x00\x01\x00\x01"
    query = os.urandom(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(PROBE_SECONDS)
            line.sendto(query, (_name_server(), 53))
            answer = line.recv(512)
    except OSError:
        return set()
    known = (
        answer[:2] == query[:2]
        and len(answer) > 3
        and answer[3] & 15 in (_NO_ERROR, _NO_SUCH_NAME)
    )
    return {NAMES} if known else set()


def _name_server() -> str:
    with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
        servers = [line.split()[1] for line in file if line.startswith("nameserver ")]
    return servers[0] if servers else "127.0.0.1"
