"""Set-up with real tools and registries: opt in by the environment.

No registry is named here. SETUP_ALLOWED_HOSTS or SETUP_PRIVATE_HOSTS, SETUP_ENV and
SANDBOX_TOOLCHAINS say where they are and what sandboxes see, as for a server:
`SETUP_ALLOWED_HOSTS=… pytest -m registry tests/flows/test_registries.py`.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from aideator.domain.events import SetupRan
from aideator.domain.run import RunStatus
from aideator.domain.verdict import Change
from tests.actions import bodies, user
from tests.conftest import git
from tests.flows.registries import ADD, PROJECTS, SUB

_NAMES = (
    "SETUP_ALLOWED_HOSTS",
    "SETUP_PRIVATE_HOSTS",
    "SETUP_ENV",
    "SANDBOX_TOOLCHAINS",
)
ASKED = {name.lower(): os.environ[name] for name in _NAMES if name in os.environ}
"""Read before a fixture can clear them."""


def can_run(program: str) -> bool:
    """Whether a program says its version; each kind is asked in another way."""
    return any(
        subprocess.run([program, flag], capture_output=True, check=False).returncode
        == 0
        for flag in ("--version", "version", "-version")
    )


@pytest.mark.registry
@pytest.mark.skipif(
    not {"setup_allowed_hosts", "setup_private_hosts"} & set(ASKED),
    reason="names no registry to use",
)
@pytest.mark.parametrize("name", PROJECTS)
async def test_a_project_is_set_up_and_its_tests_tell_what_was_fixed(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, files = PROJECTS[name]
    tools = ASKED.get("sandbox_toolchains", "")
    path = ":".join(
        [
            *(f"{folder}/bin" for folder in tools.split(",") if folder),
            "/usr/local/bin:/usr/bin:/bin",
        ]
    )
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"sandboxes see no {program} here (SANDBOX_TOOLCHAINS)")
    if not can_run(found):
        pytest.skip(f"{found} cannot run, as a shim without a toolchain")
    for variable, value in ASKED.items():
        monkeypatch.setenv(variable.upper(), value)
    repo = home / "project"
    for file, text in files.items():
        (repo / file).parent.mkdir(parents=True, exist_ok=True)
        (repo / file).write_text(text)
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A calculator that cannot add")
    (source,) = (file for file, text in files.items() if SUB in text)
    edit = {"bash": {"command": f"sed -i {shlex.quote(f's/{SUB}/{ADD}/')} {source}"}}
    async with user(
        home, repo, {"lanes": {"default": [{"calls": [edit]}, {"say": "Done."}]}}
    ) as me:
        run = await me.asks()
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        told = [
            body.result
            for body in bodies(events, "setup")
            if isinstance(body, SetupRan)
        ]
        assert told
        assert done.status is RunStatus.FINISHED, told[-1].output
        patch = await me.app.patch(run.id, 1)
    (verdict,) = (variation.verdict for variation in done.variations)
    assert verdict is not None
    (check,) = verdict.checks
    assert check.counts == {Change.FIXED: 1, Change.STILL_PASSING: 1}, bodies(
        events, "check"
    )
    assert patch.count(b"diff --git") == 1
