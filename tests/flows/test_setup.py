"""Set-up installs what a project needs once; agents and checks see it."""

import asyncio
import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from aideator.app import Aideator
from aideator.domain.events import CheckRun, RunStarted, SetupRan, VariationFinished
from aideator.domain.project import Origin
from aideator.domain.run import RunDetails, RunStatus
from aideator.domain.verdict import Change
from aideator.sandbox.base import TOOLS, Limits, Tree, missing_programs
from aideator.sandbox.registry import open_backend
from aideator.testing import scripted_model
from tests.actions import (
    PROMPT,
    User,
    bodies,
    command,
    is_dense,
    server,
    start_server,
    stream,
    submit,
    user,
)
from tests.conftest import comes_true, git
from tests.flows.registry import WHEEL, Registry, registry

EDIT = "sed -i 's/return a - b/return a + b/' calc.py"


def lanes(*commands: str) -> dict[str, Any]:
    """An agent that runs these commands."""
    acts = [{"calls": [{"bash": {"command": line}}]} for line in commands]
    return {"lanes": {"default": [*acts, {"say": "Done."}]}}


def mirror(found: Registry) -> dict[str, Any]:
    """The settings of an operator who has mirrors in the own network."""
    env = {
        "PIP_INDEX_URL": f"http://{found.host}/simple",
        "npm_config_registry": f"http://{found.host}",
    }
    return {"setup_private_hosts": (found.host,), "setup_env": env}


@pytest.fixture
def needy(repo: Path) -> Path:
    """The project, whose code needs a package that is not on this machine."""
    (repo / "requirements.txt").write_text("tinymath\n")
    (repo / "test_calc.py").write_text(
        "import unittest\n\nimport tinymath\nfrom calc import add\n\n\n"
        "class CalcTest(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 3), "
        "tinymath.plus(2, 3))\n"
    )
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "Needs tinymath")
    return repo


def has_venv() -> bool:
    """Tell whether the Python that sandboxes see can make environments with pip."""
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    return bool(python) and any(Path("/usr/lib").glob("python3*/ensurepip/__init__.py"))


@pytest.mark.slow
@pytest.mark.skipif(
    not has_venv(), reason="the system's Python cannot make a virtual environment"
)
async def test_a_python_package_of_a_mirror_is_there_for_agents_and_checks(
    home: Path, needy: Path
) -> None:
    script = lanes(
        "python -c 'import tinymath; print(tinymath.plus(1, 1))'; git status "
        "--porcelain",
        EDIT,
    )
    with registry() as found:
        async with user(home, needy, script, **mirror(found)) as me:
            run = await me.asks(variations=2)
            events = await me.hears(run.id)
            done = await me.app.get(run.id)
            asked = len(found.requests)
            again = await me.asks(fresh=True)
            later = await me.hears(again.id)
            assert len(found.requests) == asked
            patches = [await me.app.patch(run.id, number) for number in (1, 2)]

    assert is_dense(events)
    started = bodies(events, "run_started")[1]
    assert isinstance(started, RunStarted)
    assert [c.command for c in started.setup] == [
        "python3 -m venv .venv",
        "python -m pip install -r requirements.txt",
    ]
    assert started.sources["setup"] is Origin.GUESS
    told = [b for b in bodies(events, "setup") if isinstance(b, SetupRan)]
    assert [(b.result.passed, b.cached) for b in told] == [(True, False), (True, False)]
    assert "Successfully installed tinymath-1.0" in told[1].result.output
    assert [b.cached for b in bodies(later, "setup") if isinstance(b, SetupRan)] == [
        True
    ]

    assert done.status is RunStatus.FINISHED
    assert [v.verdict.count(Change.FIXED) for v in done.variations if v.verdict] == [
        1,
        1,
    ]
    outputs = [str(body) for body in bodies(events, "tool_call_update", 1)]
    assert any("2\\n" in text and ".venv" not in text for text in outputs), outputs
    for patch in patches:
        assert patch.count(b"diff --git") == 1
        assert b"b/calc.py" in patch
    base = next(
        e.body
        for e in events
        if isinstance(e.body, CheckRun) and e.variation_id is None
    )
    assert "ModuleNotFoundError" not in base.result.output


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/usr/bin/npm").exists(), reason="sandboxes see no npm here"
)
async def test_a_node_package_of_a_mirror_works_offline_afterwards(
    home: Path, repo: Path
) -> None:
    (repo / "package.json").write_text(
        json.dumps(
            {
                "name": "x",
                "dependencies": {"tinymath": "1.0.0"},
                "scripts": {"test": "node test.js"},
            }
        )
    )
    (repo / "test.js").write_text(
        "if (require('tinymath').plus(1, 1) !== 2) process.exit(1)\n"
    )
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A Node project, too")
    script = lanes(
        "rm -rf node_modules && npm install --no-package-lock && echo offline",
        "echo '// x' >> test.js",
    )
    with registry() as found:
        async with user(home, repo, script, **mirror(found)) as me:
            run = await me.asks(checks=[{"command": "npm test"}])
            events = await me.hears(run.id)
            patch = await me.app.patch(run.id, 1)
    assert [
        b.result.exit_code for b in bodies(events, "setup") if isinstance(b, SetupRan)
    ] == [0]
    assert any(
        "offline\\n" in str(body) for body in bodies(events, "tool_call_update", 1)
    )
    assert [
        b.result.passed for b in bodies(events, "check") if isinstance(b, CheckRun)
    ] == [True, True]
    assert patch.count(b"diff --git") == 1


async def test_a_mirrors_password_reaches_the_mirror_and_is_never_inside(
    home: Path, repo: Path
) -> None:
    look = (
        "env; cat /proc/*/environ /proc/*/cmdline 2> /dev/null; grep -r . /workspace "
        "/home /tmp /run 2> /dev/null"
    )
    get = (
        'python3 -c "import urllib.request as u; '
        "print(u.urlopen('http://HOST/simple/tinymath/').read())\" > got"
    )
    word = "Basic " + base64.b64encode(b"me:s3cr3t-word").decode()
    with registry(word) as found:
        get = get.replace("HOST", found.host)
        told = {"setup_credentials": {f"http://{found.host}": "me:s3cr3t-word"}}
        async with user(
            home, repo, lanes(f"cat got .seen; {look}", EDIT), **mirror(found), **told
        ) as me:
            run = await me.asks(
                setup=[
                    {
                        "command": (
                            f"{get}; ({look}) > /tmp/seen; mv /tmp/seen .seen; cat got"
                        )
                    }
                ]
            )
            events = await me.hears(run.id)
        async with user(home, repo, "one_edit", **mirror(found)) as me:
            stranger = await me.asks_and_waits(setup=[{"command": get}])
    assert found.requests == ["/simple/tinymath/"] * 2
    told_of = [b.result for b in bodies(events, "setup") if isinstance(b, SetupRan)]
    assert [(result.passed, WHEEL in result.output) for result in told_of] == [
        (True, True)
    ]
    seen = str(bodies(events, "tool_call_update", 1))
    written = b"".join(
        path.read_bytes() for path in (home / "state").rglob("*") if path.is_file()
    )
    assert b"PIP_INDEX_URL" in written
    for text in (seen.encode(), str(events).encode(), written):
        assert b"s3cr3t-word" not in text
        assert word.encode() not in text
    assert stranger.status is RunStatus.FAILED


async def test_the_repositorys_own_file_rules_and_a_variation_cannot_change_it(
    home: Path, repo: Path
) -> None:
    (repo / ".aideator.toml").write_text(
        'setup = ["echo made > made"]\nchecks = ["grep -q made made"]\nprotected = '
        '["test_*.py"]\n'
    )
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "Says how it is checked")
    script = lanes(
        'printf \'checks = ["true"]\\nsetup = ["false"]\\n\' > .aideator.toml; echo x '
        "> made"
    )
    async with user(home, repo, script) as me:
        run = await me.asks()
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert [check.command for check in done.checks] == ["grep -q made made"]
    assert done.protected == ("test_*.py",)
    assert [
        b.result.check for b in bodies(events, "setup") if isinstance(b, SetupRan)
    ] == ["echo made > made"]
    assert [
        b.result.passed for b in bodies(events, "check") if isinstance(b, CheckRun)
    ] == [True, True]
    finished = bodies(events, "variation_finished")[0]
    assert isinstance(finished, VariationFinished)
    assert (
        "made was made by set-up; its change is left out of the patch"
        in finished.verdict.notes
    )


async def test_a_set_up_that_fails_ends_the_run_before_any_agent_and_says_what_to_do(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        run = await me.asks(setup=[{"command": "echo tools are missing; exit 3"}])
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
        assert len(me.model.requests) == 0
        # Nothing is lost: what was found out stays, and the same run can go on without
        # the cause.
        assert done.commit == git(repo, "rev-parse", "HEAD")
        assert [check.command for check in done.checks] == [
            "python3 -m unittest discover"
        ]
        without = await me.asks_and_waits(setup=[])
        assert without.status is RunStatus.FINISHED
    told = bodies(events, "setup")[0]
    assert isinstance(told, SetupRan)
    assert (told.result.exit_code, told.result.output) == (3, "tools are missing\n")
    assert done.status is RunStatus.FAILED
    assert done.failure
    assert done.failure.reason == "SetupFailed"
    assert "`echo tools are missing; exit 3`: exit code 3" in done.failure.message
    assert "--no-setup" in done.failure.message
    assert {v.status.value for v in done.variations} == {"cancelled"}


async def test_a_bad_file_fails_the_run_early_and_a_follow_up_reads_the_mended_one(
    home: Path, repo: Path
) -> None:
    (repo / ".aideator.toml").write_text("checks = [3]\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A bad file")
    async with user(home, repo, "one_edit") as me:
        done = await me.asks_and_waits()
        assert done.failure
        assert ".aideator.toml: checks[1]" in done.failure.message
        (repo / ".aideator.toml").write_text('checks = ["true"]\n')
        git(repo, "commit", "-qam", "Mended")
        await me.app.prompt(done.id, 1, "Please try once more")
        await me.hears(done.id, after=await last_seq(me, done))
        mended = await me.app.get(done.id)
    assert mended.status is RunStatus.FINISHED
    assert [check.command for check in mended.checks] == ["true"]


async def last_seq(me: User, run: RunDetails) -> int:
    """The run's newest event at present."""
    return (await me.app.events(run.id))[-1].seq


async def test_without_hosts_nothing_is_installed_and_a_note_says_so(
    home: Path, needy: Path
) -> None:
    async with user(home, needy, lanes(EDIT)) as me:
        run = await me.asks(checks=[])  # its own cannot run without what is missing
        events = await me.hears(run.id)
    started = bodies(events, "run_started")[1]
    assert isinstance(started, RunStarted)
    assert (started.setup, bodies(events, "setup")) == ((), [])
    assert "pip install -r requirements.txt" in started.notes[0]
    finished = bodies(events, "variation_finished")[0]
    assert isinstance(finished, VariationFinished)
    assert started.notes[0] in finished.verdict.notes


async def test_a_decision_is_an_answer_only_for_the_same_set_up(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        first = await me.asks_and_waits(setup=[{"command": "true"}])
        await me.app.select(first.id, 1)
        again = await me.asks_and_waits(setup=[{"command": "true"}])
        bare = await me.asks_and_waits(setup=[])
    assert (again.reused_from, again.setup) == (first.id, first.setup)
    assert bare.reused_from is None


@pytest.mark.slow
async def test_after_kill_9_in_mid_set_up_the_next_start_makes_it_anew(
    home: Path, repo: Path
) -> None:
    setup = [{"command": "echo half > half; sleep 2; mv half whole"}]
    asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 1, "setup": setup}
    async with scripted_model(lanes("cat whole && ls half", EDIT)) as model:
        first = await start_server(home, model.url)
        async with first.client() as client:
            run_id = await submit(client, asked)
            environments = home / "state" / "environments"
            await comes_true(lambda: any(environments.glob("*.part/*/half")))
        await first.kill()
        async with server(home, model.url) as second, second.client() as client:
            events = await stream(client, run_id)
            run = (await client.get(f"/runs/{run_id}")).json()
    assert is_dense(events)
    assert run["status"] == "finished"
    assert [b.cached for b in bodies(events, "setup") if isinstance(b, SetupRan)] == [
        False
    ]
    assert [path.suffix for path in environments.iterdir()] == [""]


async def test_a_repository_can_be_looked_at_before_a_run(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "one_edit") as me:
        app: Aideator = me.app
        found = await app.inspect(str(repo), local=True)
    assert found.commit == git(repo, "rev-parse", "HEAD")
    assert [check.command for check in found.checks] == ["python3 -m unittest discover"]
    git(repo, "tag", "guessed")
    (repo / "go").write_text("")
    uses = "; ".join(f"true && {tool} x" for tool in TOOLS)
    (repo / ".aideator.toml").write_text(
        f'setup = ["{uses}", "./go", "unknown-tool"]\nchecks = ["true"]\n'
    )
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "Needs every tool")
    told = command("inspect", str(repo), home=home).stdout
    # Which tools a machine has is not the test's to say: a developer's has uv or a
    # shim of Rust where another has none.
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    async with backend.open(Tree((repo,)), Limits()) as sandbox:
        missing = await missing_programs(sandbox, TOOLS)
    assert re.findall(r"! sandboxes do not see (\S+): ", told) == (sorted(missing))
    shown = command("inspect", str(repo), "--ref", "guessed", home=home)
    assert shown.returncode == 0, shown.stderr
    assert "python3 -m unittest discover  guessed" in " ".join(shown.stdout.split("\n"))
    as_json = json.loads(
        command("inspect", str(repo), "--ref", "guessed", "--json", home=home).stdout
    )
    assert as_json == found.model_dump(mode="json")


async def test_the_command_line_shows_set_up_and_where_it_is_from(
    home: Path, repo: Path
) -> None:
    async with scripted_model("one_edit") as model:
        done = await asyncio.to_thread(
            command,
            *("run", str(repo), PROMPT, "-n", "1"),
            *("--setup", "echo broken tools; false", "--protect", "x/**"),
            home=home,
            env={"ANTHROPIC_BASE_URL": model.url},
        )
    assert done.returncode == 1
    assert (
        "set-up: echo broken tools; false · checks: python3 -m unittest discover "
        "(guessed)" in done.stdout
    )
    assert "protected: x/**" in done.stdout
    assert "set-up `echo broken tools; false` failed after" in done.stdout
    assert "  broken tools\n" in done.stdout
    assert "run without set-up" in done.stdout
