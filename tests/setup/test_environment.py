"""Environments: built once per commit and set-up, read-only, and part of no change."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aideator.changes.fork import fork
from aideator.changes.patch import Patch, apply, extract
from aideator.domain.check import CheckResult, Command
from aideator.domain.errors import SetupFailed
from aideator.domain.hosts import AllowedHost
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.checkout import Checkout
from aideator.repositories.source import SourcePolicy
from aideator.sandbox.base import Limits
from aideator.sandbox.registry import open_backend
from aideator.setup import tool_paths
from aideator.setup.commands import SetupResult
from aideator.setup.environment import SetupContext, build_environment
from aideator.setup.network import NetworkPolicy
from tests.conftest import comes_true, git
from tests.setup.test_egress import serving


@pytest.fixture
def context(home: Path) -> SetupContext:
    return SetupContext(
        open_backend("bubblewrap", runtime_dir=home / "run"),
        home,
        home / "run",
        Limits(cpus=2),
    )


@pytest.fixture
def cache(home: Path) -> RepositoryCache:
    return RepositoryCache(home, policy=SourcePolicy(frozenset(), allow_local=True))


@pytest.fixture
async def checkout(cache: RepositoryCache, repo: Path) -> Checkout:
    return await cache.checkout(await cache.resolve(str(repo)))


class Told(list[tuple[CheckResult, bool]]):
    """What set-up tells of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[tuple[str, ...]] = []

    async def __call__(self, done: SetupResult) -> None:
        self.hosts.append(done.hosts)
        self.append((done.result, done.cached))


async def set_up(
    context: SetupContext, checkout: Checkout, *commands: str, told: Told | None = None
) -> Checkout:
    setup = [Command(command=command, timeout=20) for command in commands]
    return await build_environment(
        context, checkout, setup, told if told is not None else Told()
    )


async def attempt(
    context: SetupContext, checkout: Checkout, script: str, name: str = "one"
) -> tuple[str, Patch]:
    """What an agent sees that runs a script, and its change."""
    async with fork(checkout, context.home, name) as forked:
        async with context.backend.open(forked.tree, Limits()) as sandbox:
            done = await sandbox.exec(["sh", "-c", f"exec 2>&1; {script}"])
        return done.stdout.decode(), await extract(
            forked, context.backend, limits=Limits()
        )


async def test_what_a_command_prints_is_told_while_it_runs(
    context: SetupContext, checkout: Checkout
) -> None:
    told: list[tuple[str, str]] = []

    async def on_line(command: str, line: str) -> None:
        told.append((command, line))

    command = r"printf 'begins\n10 %%\r50 %%\r'; sleep 3"
    await set_up(replace(context, on_line=on_line), checkout, command)
    assert told[0] == (command, "")
    assert told[-1] == (command, "50 %")


async def test_what_set_up_makes_is_there_for_everybody_and_in_no_patch(
    context: SetupContext, checkout: Checkout
) -> None:
    told = Told()
    made = await set_up(
        context,
        checkout,
        "mkdir lib; echo made > lib/made",
        "echo m >> calc.py; cat lib/*",
        told=told,
    )
    assert [(result.exit_code, result.output, cached) for result, cached in told] == [
        (0, "", False),
        (0, "made\n", False),
    ]
    for name in ("one", "two"):
        seen, patch = await attempt(
            context, made, "cat lib/made; git status --porcelain; ls -A", name
        )
        assert seen.split() == [
            "made",
            ".aideator",
            ".git",
            "calc.py",
            "lib",
            "test_calc.py",
        ]
        assert patch == Patch(b"")


async def test_only_the_change_of_the_attempt_is_in_the_patch(
    context: SetupContext, checkout: Checkout
) -> None:
    made = await set_up(
        context,
        checkout,
        "mkdir lib; echo made > lib/made; echo more >> calc.py; rm test_calc.py",
    )
    script = (
        "echo mine >> calc.py; for file in lib/made lib/mine own; do"
        " echo mine > $file; done; git commit -qam x"
    )
    _, patch = await attempt(context, made, script)
    assert patch.paths == ("calc.py", "own")
    assert b"more" not in patch.data
    assert patch.notes == (
        "lib was made by set-up; its change is left out of the patch",
    )
    async with (
        fork(made, context.home, "judge") as clean,
        context.backend.open(clean.tree, Limits()) as sandbox,
    ):
        await apply(sandbox, patch)
        seen = await sandbox.exec(
            ["sh", "-c", "tail -n1 calc.py; cat own lib/made; ls test_calc.py"]
        )
    assert seen.stdout.decode().split() == ["mine", "mine", "made", "test_calc.py"]


@pytest.mark.parametrize(
    "name",
    [
        ".venv",
        "node_modules",
        "a b",
        "st*r[x]",
        "*",
        "!x",
        "[x",
        "caf\udce9",
        "-x",
        "new\nline",
    ],
)
async def test_no_name_and_no_gitignore_brings_set_ups_files_into_a_patch(
    context: SetupContext, checkout: Checkout, name: str
) -> None:
    path = (
        "$(printf %b '" + "".join(f"\\0{byte:03o}" for byte in os.fsencode(name)) + "')"
    )
    made = await set_up(
        context,
        checkout,
        f'mkdir -p -- "{path}/in"; echo x > "{path}/in/file"; echo y > "{path}.txt"',
    )
    assert {name, f"{name}.txt"} <= set(made.made)
    for ignore in ("!*\n", "*\n!.gitignore\n!own\n"):
        script = (
            f'printf %s "{ignore}" > .gitignore; echo z >> "{path}/in/file";'
            f' echo o > own; echo z >> "{path}.txt"'
        )
        _, patch = await attempt(context, made, script)
        assert patch.paths == (".gitignore", "own")


async def test_attempts_cannot_change_what_the_others_see(
    context: SetupContext, checkout: Checkout
) -> None:
    made = await set_up(context, checkout, "mkdir lib; echo made > lib/made")
    await attempt(context, made, "rm -rf lib .aideator; ln -s /etc lib")
    seen, _ = await attempt(context, made, "cat lib/made; ls -A .aideator", "two")
    assert seen.split() == ["made", ".gitignore"]


async def test_it_is_made_once_also_when_two_ask_at_once(
    context: SetupContext, checkout: Checkout
) -> None:
    count = "echo run >> /workspace/runs; sleep 0.5"
    first, second = Told(), Told()
    async with asyncio.TaskGroup() as group:
        for told in (first, second):
            group.create_task(set_up(context, checkout, count, "cat runs", told=told))
    assert sorted([cached for _, cached in told] for told in (first, second)) == [
        [False, False],
        [True],
    ]
    third = Told()
    made = await set_up(context, checkout, count, "cat runs", told=third)
    assert [(result.check, result.output, cached) for result, cached in third] == [
        ("cat runs", "run\n", True)
    ]
    assert len(list((context.home / "environments").iterdir())) == 1
    assert made.environment


async def test_other_commands_or_variables_make_another_one(
    context: SetupContext, checkout: Checkout
) -> None:
    one = await set_up(context, checkout, "true")
    two = await set_up(context, checkout, "true", "true")
    other = await set_up(
        replace(context, variables={"A": "b"}), checkout, "echo $A > a"
    )
    assert one.environment
    assert two.environment
    assert other.environment
    assert (
        len({made.environment.name for made in (one, two, other) if made.environment})
        == 3
    )
    assert (other.environment / "a").read_text() == "b\n"


@pytest.mark.parametrize(
    ("command", "limits", "message"),
    [
        ("echo no such package; exit 3", {}, "exit code 3"),
        ("sleep 60", {}, "stopped after 1 s"),
        ("kill -9 -1", {}, "exit code 137|sandbox"),
        (
            "while :; do head -c 1000000 /dev/zero > $(date +%N); done",
            {"disk_bytes": 8 * 2**20},
            "MiB allowed",
        ),
        (
            "x=$(head -c 900000000 /dev/zero | tr '\\0' x); echo $x",
            {"memory_bytes": 64 * 2**20},
            "exit code|memory",
        ),
        ("yes | head -c 50000000; exit 1", {}, "exit code 1"),
    ],
)
async def test_a_set_up_that_fails_says_why_and_leaves_nothing(
    context: SetupContext,
    checkout: Checkout,
    command: str,
    limits: Mapping[str, int],
    message: str,
) -> None:
    tight = replace(context, limits=replace(context.limits, **limits))
    told = Told()
    with pytest.raises(SetupFailed, match=message):
        await build_environment(
            tight,
            checkout,
            [Command(command=command, timeout=1 if "60" in command else 20)],
            told,
        )
    assert list((context.home / "environments").iterdir()) == []
    assert len(told) == 1
    assert not told[0][0].passed
    assert len(told[0][0].output) < 20_000
    assert (await set_up(context, checkout, "true")).environment, "the next one works"


ODD = """
ln -s /etc/passwd link; ln -s . self; mkfifo pipe
mkdir shut; : > shut/in; chmod 000 shut
python3 -c 'import os, socket
socket.socket(socket.AF_UNIX).bind("sock")
for name in (b"\\xff\\xfe", b"new\\nline", b"\\x1b[31m", b"x" * 255):
    open(name, "w").close()
for _ in range(1500): os.mkdir("d"); os.chdir("d")'
mkdir nested; cd nested; git init -q; git commit -q --allow-empty -m x; cd ..
git config core.hooksPath /workspace/hooks; mkdir hooks
printf '#!/bin/sh\\ntouch /workspace/fired' > hooks/post-index-change
chmod +x hooks/*; rm -rf .git/refs; echo 'gitdir: /' > .git/HEAD
rm calc.py; ln -s /etc/passwd calc.py
"""


async def test_odd_files_do_no_harm(
    context: SetupContext, checkout: Checkout, cache: RepositoryCache
) -> None:
    made = await set_up(context, checkout, ODD)
    seen, patch = await attempt(
        context,
        made,
        "git status --porcelain; ls fired; head -n1 calc.py; echo '# x' >> calc.py",
    )
    assert "def add" in seen
    assert "cannot access 'fired'" in seen
    assert patch.paths == ("calc.py",)
    assert cache.gc(0, idle=0) > 0
    assert list((context.home / "environments").iterdir()) == []


async def test_an_environment_in_use_is_spared_and_an_unused_one_goes(
    context: SetupContext, checkout: Checkout, cache: RepositoryCache
) -> None:
    made = await set_up(context, checkout, "head -c 3000000 /dev/urandom > big")
    assert made.environment
    async with fork(made, context.home, "one"):
        cache.gc(0, idle=0)
        assert made.environment.exists()
    assert cache.gc(0, idle=0) > 3_000_000
    assert not made.environment.exists()


async def test_what_a_crash_left_half_made_is_removed(
    context: SetupContext, checkout: Checkout, cache: RepositoryCache
) -> None:
    made = await set_up(context, checkout, "true")
    assert made.environment
    folder = made.environment.parent
    half = folder.with_name(folder.name + "x.part")
    (half / "layer" / "shut").mkdir(parents=True)
    cache.recover()
    assert list(folder.parent.iterdir()) == [folder]


async def test_being_stopped_in_the_middle_leaves_nothing(
    context: SetupContext, checkout: Checkout
) -> None:
    task = asyncio.ensure_future(set_up(context, checkout, "sleep 15"))
    environments = context.home / "environments"
    await comes_true(lambda: any(environments.glob("*.part/*/.aideator")))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list((context.home / "environments").iterdir()) == []


GET = (
    "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://{}/x\").read())'"
)


async def test_set_up_reaches_named_hosts_and_nobody_else_does(
    context: SetupContext, checkout: Checkout
) -> None:
    async with serving() as host, serving() as other:
        open_ = replace(
            context, policy=NetworkPolicy(private_hosts=frozenset({host.name}))
        )
        told = Told()
        made = await set_up(
            open_, checkout, f"{GET.format(host.name)} | tee got", told=told
        )
        assert told[0][0].output == "b'back'\n"
        with pytest.raises(
            SetupFailed, match=f"{re.escape(other.name)} is not a host that"
        ):
            await set_up(open_, checkout, GET.format(other.name))
        with pytest.raises(SetupFailed, match=r"exit code 1$"):
            await set_up(context, checkout, GET.format(host.name))
        seen, _ = await attempt(
            open_, made, f"cat got; env | grep -i _proxy=; {GET.format(host.name)}"
        )
        assert seen.startswith("b'back'\nTraceback")
        assert (len(host.heard), other.heard) == (1, [])


async def test_the_variables_of_tools_are_the_same_for_all(
    context: SetupContext, checkout: Checkout
) -> None:
    told = Told()
    made = await set_up(context, checkout, "mkdir -p .venv/bin; env | sort", told=told)
    seen, _ = await attempt(context, made, "env | sort")
    while_made, after = (
        dict(line.partition("=")[::2] for line in text.splitlines())
        for text in (told[0][0].output, seen)
    )
    expected = tool_paths.variables(made.made)
    assert {name: after.get(name) for name in expected} == expected
    assert after["VIRTUAL_ENV"] == "/workspace/.venv"
    assert after["PATH"] == while_made["PATH"]
    shared = set(expected) - set(tool_paths.OFFLINE) - {"VIRTUAL_ENV"}
    assert {name: while_made.get(name) for name in shared} == {
        name: expected[name] for name in shared
    }


async def test_a_venv_that_a_change_brings_along_is_not_on_the_path(
    context: SetupContext, checkout: Checkout
) -> None:
    made = await set_up(context, checkout, "true")
    seen, _ = await attempt(
        context,
        made,
        "mkdir -p .venv/bin; printf '#!/bin/sh\\necho evil' > .venv/bin/git;"
        " chmod +x .venv/bin/git; git --version",
    )
    assert "evil" not in seen


async def test_many_files_of_set_up_beside_the_projects_own(
    context: SetupContext, home: Path, cache: RepositoryCache
) -> None:
    repo = home / "wide"
    (repo / "src").mkdir(parents=True)
    (repo / "src" / "a").write_text("a")
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "x")
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    write = 'python3 -c \'for n in range({}): open(f"src/{{n}}", "w").close()\''
    made = await set_up(context, checkout, write.format(3_000))
    _, patch = await attempt(context, made, "echo b > src/a; rm src/7")
    assert patch.paths == ("src/a",)
    with pytest.raises(
        SetupFailed, match="5002 files in folders of the project; the limit is 5000"
    ):
        await set_up(context, checkout, write.format(5_001))


class Person:
    """Somebody who answers what set-up asks."""

    def __init__(self, *, allows: bool) -> None:
        self.allows = allows
        self.asked: list[tuple[str, str]] = []
        self._open: list[str] = []

    async def ask(self, host: str, asked_by: str) -> None:
        self.asked.append((host, asked_by))
        self._open.append(host)

    async def answers(self) -> list[AllowedHost]:
        asked, self._open = self._open, []
        return [AllowedHost(host=host, private=True) for host in asked if self.allows]


async def test_a_command_runs_again_when_a_person_allows_the_host_that_it_asked_for(
    context: SetupContext, checkout: Checkout
) -> None:
    async with serving() as host:
        person = Person(allows=True)
        open_ = replace(context, policy=NetworkPolicy(auto=True), asker=person)
        told = Told()
        command = GET.format(host.name)
        await set_up(open_, checkout, command, told=told)
        assert person.asked == [(host.name, command)]
        assert [(done.passed, cached) for done, cached in told] == [(True, False)]
        assert told.hosts == [(host.name,)]
        again = Told()
        await set_up(open_, checkout, command, told=again)
        assert [cached for _, cached in again] == [True]
        assert again.hosts == [(host.name,)], "an earlier run's hosts are named, too"


async def test_a_host_that_a_person_refuses_is_named_with_what_to_paste(
    context: SetupContext, checkout: Checkout
) -> None:
    async with serving() as host:
        open_ = replace(
            context, policy=NetworkPolicy(auto=True), asker=Person(allows=False)
        )
        with pytest.raises(SetupFailed) as failed:
            await set_up(open_, checkout, GET.format(host.name))
        assert f"--allow-host {host.name}" in failed.value.hint
        assert f"SETUP_ALLOWED_HOSTS=auto,{host.name}" in failed.value.hint
        assert host.heard == []


async def test_hosts_that_the_repository_names_are_asked_before_the_first_command(
    context: SetupContext, checkout: Checkout
) -> None:
    async with serving() as host:
        person = Person(allows=True)
        open_ = replace(
            context,
            policy=NetworkPolicy(auto=True),
            asker=person,
            named=(host.name,),
        )
        await set_up(open_, checkout, GET.format(host.name))
        assert person.asked == [(host.name, ".aideator.toml")]
        nobody = replace(open_, asker=None)
        with pytest.raises(SetupFailed, match="not a host that set-up may reach"):
            await set_up(nobody, checkout, f"{GET.format(host.name)} # again")
