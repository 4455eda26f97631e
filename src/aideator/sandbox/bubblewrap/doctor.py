"""Explain why this machine cannot isolate, or not fully, and how to fix it.

Nothing is concluded from versions or settings alone: a sandbox is opened, and only a
failure is explained.
"""

import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import Finding
from aideator.sandbox.bubblewrap.parent_group import Share


@dataclass(frozen=True)
class _KnownCause:
    """A cause of failures, recognised by the message and the state of the machine."""

    words: str
    sign: Callable[[], bool]
    fix: str


def _setting(name: str) -> str:
    path = Path("/proc/sys", name)
    return path.read_text().strip() if path.exists() else ""


def _in_container() -> bool:
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])


_NAMESPACE = r"namespace|uid map|RTM_NEWADDR|unshare|setting up gid map"
_CAUSES = (
    _KnownCause(
        _NAMESPACE,
        _in_container,
        "this is a container that may not make namespaces: start it with "
        "`--security-opt seccomp=unconfined --security-opt systempaths=unconfined` "
        "(Podman: `--security-opt seccomp=unconfined --security-opt unmask=ALL`)",
    ),
    _KnownCause(
        _NAMESPACE,
        lambda: _setting("kernel/apparmor_restrict_unprivileged_userns") == "1",
        "AppArmor forbids user namespaces (Ubuntu 23.10 and later): run `sudo sysctl "
        "-w kernel.apparmor_restrict_unprivileged_userns=0`, or install bubblewrap "
        "0.11.2 or later system-wide and give /usr/bin/bwrap an AppArmor profile with "
        "the line `userns,`",
    ),
    _KnownCause(
        _NAMESPACE,
        lambda: _setting("kernel/unprivileged_userns_clone") == "0",
        "user namespaces are off: run `sudo sysctl -w "
        "kernel.unprivileged_userns_clone=1`",
    ),
    _KnownCause(
        _NAMESPACE,
        lambda: _setting("user/max_user_namespaces") == "0",
        "user namespaces are off: run `sudo sysctl -w user.max_user_namespaces=15000`",
    ),
    _KnownCause(
        r"overlay",
        lambda: _kernel() < (5, 11),
        "overlays without root need Linux 5.11 or later: upgrade the kernel, or run "
        "AIdeator as root (it drops its uid for every sandbox)",
    ),
    _KnownCause(
        r"overlay",
        _in_container,
        "an overlay cannot lie on the container's own file system: put AIdeator's "
        "state directory on a volume",
    ),
    _KnownCause(
        r"overlay",
        lambda: True,
        "put AIdeator's state directory on a local file system (ext4, xfs, btrfs), "
        "not on a network or overlay one",
    ),
    _KnownCause(
        r"proc on /newroot|mount proc",
        lambda: True,
        "this container hides parts of /proc: start it with `--security-opt "
        "systempaths=unconfined` (Podman: `--security-opt unmask=ALL`)",
    ),
    _KnownCause(
        r"/proc/self/fd/\d+.*(denied|not permitted)",
        lambda: _setting("vm/memfd_noexec") == "2",
        "programs in memory may not run here: install bubblewrap 0.11.2 or later "
        "system-wide, or set vm.memfd_noexec=1",
    ),
    _KnownCause(
        r"libpython|error while loading shared libraries|python3?[.\d]*: No such file|"
        r"execvp",
        lambda: True,
        "the Python that runs AIdeator does not start inside: install AIdeator with a "
        "system Python",
    ),
    _KnownCause(
        r"unshare|setpriv|mount: ",
        lambda: True,
        "AIdeator runs as root without the right to mount (CAP_SYS_ADMIN): run it as "
        "an ordinary user instead",
    ),
)


def explain(message: str) -> str:
    """Return how to fix a failed start by its message, or "" if it is unknown."""
    for cause in _CAUSES:
        if re.search(cause.words, message) and cause.sign():
            return cause.fix
    return ""


_WEAK = {
    "memory": "one sandbox can take all of this machine's memory",
    "cpu": "sandboxes share the processors as they come",
}
"""Consequence when no control group enforces the limit."""
_DELEGATION = (
    "run as root, or let systemd hand a control group down: "
    "`systemd-run --user --scope -p Delegate=yes -- aideator serve` (a service: "
    "`Delegate=yes`)"
)


def limit_findings(limits: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each limit: its enforcer, and a fix where it is weak."""
    findings = []
    for limit, enforcer in limits.items():
        held = limit not in _WEAK or enforcer.startswith("cgroup")
        detail = f"enforced by {enforcer}" if held else f"{enforcer}: {_WEAK[limit]}"
        findings.append(
            Finding(f"{limit} limit", held, detail, fix="" if held else _DELEGATION)
        )
    return findings


def share_finding(share: Share | None) -> Finding:
    """Return what a busy processor gives the sandboxes beside other processes.

    Args:
        share: That of the sandboxes that are open now; None without control groups.
    """
    if share is None:
        detail = "no group: each process of a sandbox counts for itself"
        return Finding("cpu share", ok=True, detail=detail)
    held = share.processes >= share.sandboxes
    counts = f"{share.sandboxes} open, {share.processes:g} × {share.setting}"
    detail = f"each sandbox as much as one process ({counts})"
    if not held:
        detail = f"the kernel refused the weight of the sandboxes ({counts})"
    return Finding("cpu share", held, detail, fix="" if held else _DELEGATION)
