"""Explain an ended Dagger CLI: why a container did not open, or why it was lost."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aideator.domain.errors import (
    AideatorError,
    DiskLimitExceeded,
    EngineLost,
    SandboxLost,
)
from aideator.sandbox.dagger.session import INTERRUPTED, DaggerSession

MALFUNCTION = 70
"""The launcher's exit code when it cannot do its work."""
_KILLED = 137
_SHOWN = 600


@dataclass(frozen=True)
class _FailurePattern:
    """A known failure, recognised by the messages of the CLI and the engine."""

    words: str
    what: str
    fix: str


_CAUSES = (
    _FailurePattern(
        r"Cannot connect to the Docker daemon|"
        r"no (?:fallback )?container (?:runtime|image loader)|start engine|"
        r"failed to connect to (?:the )?(?:engine|buildkit)|"
        r"connection refused|no such host|dial (?:tcp|unix)",
        "no Dagger engine can be reached",
        "start Docker (or another container runtime), or set "
        "_EXPERIMENTAL_DAGGER_RUNNER_HOST to a running engine",
    ),
    _FailurePattern(
        r"failed to (?:resolve|pull|fetch)[^\n]*"
        r"(?:image|source metadata|registry|docker\.io)|pull access denied|"
        r"manifest unknown|failed to resolve source metadata",
        "the container's image cannot be pulled",
        "check AGENT_CONTAINER_IMAGE, and that the engine can reach its registry: "
        "`dagger core container from --address=IMAGE sync`",
    ),
    _FailurePattern(
        r"socket [^\n]* not found|host access is disabled|not a socket|"
        r"session attachables?",
        "the engine refused to forward the socket",
        "run the CLI where AIDEATOR_HOME is, with an engine of the same version",
    ),
    _FailurePattern(
        r"incompatible|requires? (?:a )?(?:newer|dagger|engine)|"
        r"minimum (?:client|engine) version|engineVersion",
        "the engine and the CLI are of versions that do not fit",
        "use the same version of both, 0.21.8 or a later 0.21",
    ),
    _FailurePattern(
        r"module source|load module|ModuleLoadError|dagger\.json|module runtime|"
        r"unknown (?:command|flag)|required flag|failed to serve module",
        "AIdeator's Dagger module does not load",
        "run `dagger functions --mod=DIRECTORY` with the directory that "
        "`aideator doctor` names",
    ),
    _FailurePattern(
        r"git[^\n]*not found|apt-get|apk add|pip install|No matching distribution",
        "the container's tools cannot be installed",
        "let the engine reach the distribution's and Python's package index once, or "
        "set AGENT_CONTAINER_IMAGE to an image that has them: see "
        "docs/how-to/dagger.md",
    ),
)


def why_closed(stderr: str) -> tuple[str, str]:
    """Return why no container came up, and what fixes it, from the CLI's messages."""
    for cause in _CAUSES:
        if re.search(cause.words, stderr, re.IGNORECASE):
            return f"{cause.what}: {last_line(stderr, cause.words)}", cause.fix
    return f"no container could be opened: {last_line(stderr)}", "run `aideator doctor`"


def last_line(stderr: str, about: str = "") -> str:
    """Return the last line about something, or else about an error, shortened."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for wanted in filter(None, (about, r"error|fail|cannot|refused|not found")):
        matching = [line for line in lines if re.search(wanted, line, re.IGNORECASE)]
        if matching:
            return matching[-1][:_SHOWN]
    return (lines or ["it said nothing"])[-1][:_SHOWN]


def record_of(stdout: str) -> dict[str, Any]:
    """Return the launcher's final record from the CLI's output, or an empty one."""
    for line in reversed(stdout.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def why_lost(session: DaggerSession) -> AideatorError:
    """Return why a container that was open has ended."""
    record = record_of(session.stdout)
    if session.code == 0 and record:
        return _by_record(record.get("reasons", ()), record.get("code"))
    match session.code:
        case None:  # the CLI outlives its engine; with a container's end it ends too
            return EngineLost("the Dagger engine was lost: it closed every connection")
        case code if code == INTERRUPTED:
            return SandboxLost("the container was cancelled")
        case code if code == _KILLED:
            return SandboxLost(
                "the container was killed from outside (137): "
                "mostly its engine has run out of memory",
                hint="give the engine more memory, or run fewer variations at a time",
            )
        case code if code == MALFUNCTION:
            return SandboxLost(
                f"the container's supervisor failed: {last_line(session.stderr)}"
            )
        case _:
            return EngineLost(
                f"the Dagger engine was lost: {last_line(session.stderr)}"
            )


def _by_record(reasons: Sequence[str], code: object) -> AideatorError:
    if "disk" in reasons:
        return DiskLimitExceeded(
            "the container's supervisor ended it: too much was written"
        )
    if "wall clock" in reasons:
        return SandboxLost("the container's supervisor ended it: its time was up")
    if "memory" in reasons:
        return SandboxLost(
            "the sandbox ran out of memory", hint="raise AGENT_MEMORY_LIMIT"
        )
    return SandboxLost(f"the container's first process ended with {code}")
