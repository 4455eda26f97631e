"""Hosts that a set-up asks for, and what a person answers."""

import re
from enum import StrEnum

from pydantic import Field

from aideator.domain.base import FrozenModel

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_PATTERN = rf"^(?:{_LABEL}\.)*{_LABEL}(?::[0-9]{{1,5}})?$"
"""`host` or `host:port`, in lower case."""
MAX_HOST = 260


def is_host(text: str) -> bool:
    """Return whether a text is a plain `host` or `host:port`."""
    return len(text) <= MAX_HOST and re.fullmatch(HOST_PATTERN, text) is not None


def check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Check the value of SETUP_ALLOWED_HOSTS: `auto`, `none`, or hosts.

    Raises:
        ValueError: if one is no host, or `none` does not stand alone.
    """
    if "none" in hosts and len(hosts) > 1:
        raise ValueError("none closes set-up's network: name no other host beside it")
    for host in hosts:
        if not is_host(host):
            raise ValueError(f"{host!r} is no host: give auto, none, or hosts")
    return hosts


class HostAnswer(StrEnum):
    """Whether a set-up may reach a host that it asks for."""

    ONCE = "once"
    """In this run."""
    REPOSITORY = "repository"
    """In every run on this repository."""
    ALWAYS = "always"
    """In every run."""
    REFUSE = "refuse"
    NOBODY = "nobody"
    """Nobody answered in time, or the set-up ended first: the host stays refused."""


class AllowedHost(FrozenModel):
    """A host that a person has allowed to set-ups, for a repository or always."""

    host: str
    """As `host:port`."""
    repository: str = ""
    """The repository's URL or path; empty for all repositories."""
    private: bool = Field(default=False)
    """Whether the host may have a private address: the answer came from this
    machine."""
