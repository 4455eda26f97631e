"""The module's own queries, field by field, without an engine."""

import functools
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.dagger.double.__main__ import OWN_FLAGS
from tests.dagger.double.engine import encode
from tests.dagger.stub import CHECKOUT

Steps = list[tuple[str, dict[str, Any]]]
FUNCTIONS = {"sandbox", "stream_agent", "run_agent", "run_check", "image"}


def ask(*arguments: str) -> dict[str, Any]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'src'}",
        "DAGGER_MODULE": "aideator",
        "DAGGER_MAIN_OBJECT": "Aideator",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.dagger.stub", *arguments],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def given(value: str, kind: str) -> str:
    """What the CLI passes for an argument: an object by its address."""
    return encode((("address", {"value": value}), (kind, {})))


CONFIG = {
    "run": "/run/aideator",
    "home": "/run/aideator/host",
    "workspace": "/workspace",
    "uid": 64_700,
    "writable": True,
    "changes": ["/run/aideator/change0"],
    "directories": ["/opt/tool"],
    "files": ["/opt/one"],
    "tmpfs": {"/tmp": 0o1777, "/home/agent": 0o700},
    "tmpfs_bytes": 2**40,
}


@functools.cache
def sandbox(**changes: Any) -> Steps:
    arguments = {
        "source": given("/checkout", "directory"),
        "host": given("unix:///run/s/home", "socket"),
        "launcher_config": json.dumps(CONFIG | changes),
        "run_id": "run-1",
        "platform": given("/platform", "directory"),
        "cache_volume": "packages",
        "changes": [given("/c0", "file")],
        "directories": [given("/tool", "directory")],
        "files": [given("/one", "file")],
    }
    return [
        (name, values)
        for name, values in ask("sandbox", json.dumps(arguments))["result"]
    ]


@functools.cache
def agent() -> dict[str, Any]:
    arguments = {
        "repo_url": "https://github.com/user/repo",
        "prompt_file": given("/prompt.txt", "file"),
        "variation_id": "1",
        "run_id": "run-1",
        "anthropic_api_key": given("env:ANTHROPIC_API_KEY", "secret"),
        "platform": given("/platform", "directory"),
        "events": given("unix:///events", "socket"),
        "agent_config": '{"model": "claude-sonnet-5-5"}',
        "ref": "main",
    }
    return ask("stream_agent", json.dumps(arguments))


def one(steps: Steps, name: str) -> dict[str, Any]:
    (found,) = [values for step, values in steps if step == name]
    return found


def names(steps: Steps) -> list[str]:
    return [name for name, _ in steps]


def address(value: str, kind: str) -> list[Any]:
    return [["address", {"value": value}], [kind, {}]]


def test_a_sandbox_begins_with_the_image_and_ends_with_the_run() -> None:
    steps = sandbox()
    assert steps[:2] == [("container", {}), ("from", {"address": "python:3.11-slim"})]
    assert names(steps)[-3:] == ["withNewFile", "withEnvVariable", "withExec"]
    assert steps[-2] == (
        "withEnvVariable",
        {"name": "AIDEATOR_RUN_ID", "value": "run-1"},
    )
    launch = steps[-1][1]["args"]
    assert launch[:5] == ["python3", "-I", "-S", "-X", "utf8"]
    assert launch[-1] == "/run/aideator/launcher.json"
    assert "aideator.sandbox.dagger.inside.launcher" in launch[6]


def test_what_differs_between_runs_stands_after_all_that_they_share() -> None:
    steps = sandbox()
    shared = [
        name
        for name, values in steps
        if "run-1" not in json.dumps(values) and "home" not in json.dumps(values)
    ]
    first_own = next(
        i for i, (_, values) in enumerate(steps) if "/run/s/home" in json.dumps(values)
    )
    assert steps[first_own][0] == "withUnixSocket"
    tools = [i for i, (name, _) in enumerate(steps) if name == "withExec"][:-1]
    assert len(tools) == 2
    assert max(tools) < names(steps).index("withDirectory")
    assert "from" in shared


def test_no_execution_has_more_rights_than_the_engine_gives_to_all() -> None:
    for steps in (sandbox(), [(name, values) for name, values in agent()["result"]]):
        for name, values in steps:
            if name == "withExec":
                assert set(values) == {"args"}, values


def test_the_socket_is_the_sandboxs_users_own() -> None:
    expected = {
        "path": "/run/aideator/host",
        "source": address("unix:///run/s/home", "socket"),
        "owner": "64700:64700",
    }
    assert one(sandbox(), "withUnixSocket") == expected


def test_the_source_belongs_to_who_may_write_to_it() -> None:
    def placed(steps: Steps) -> dict[str, Any]:
        return next(
            values
            for name, values in steps
            if name == "withDirectory" and values["path"] == "/workspace"
        )

    expected = {"path": "/workspace", "source": address("/checkout", "directory")}
    assert placed(sandbox()) == expected | {"owner": "64700:64700"}
    assert placed(sandbox(writable=False)) == expected | {"owner": "0:0"}


def test_what_is_shown_besides_is_read_only() -> None:
    steps = sandbox()
    expected = {
        "path": "/opt/tool",
        "source": address("/tool", "directory"),
        "readOnly": True,
    }
    assert one(steps, "withMountedDirectory") == expected
    files = [values for name, values in steps if name == "withMountedFile"]
    assert files == [
        {"path": "/opt/one", "source": address("/one", "file")},
        {"path": "/run/aideator/change0", "source": address("/c0", "file")},
    ]


def test_temporary_file_systems_are_small_and_their_size_fits_the_api() -> None:
    temps = [values for name, values in sandbox() if name == "withMountedTemp"]
    assert temps == [
        {"path": path, "size": 2**31 - 1} for path in ("/tmp", "/home/agent")
    ]


def test_the_cache_volume_is_gone_before_anything_of_a_run_comes() -> None:
    steps = sandbox()
    order = names(steps)
    mounted, removed = order.index("withMountedCache"), order.index("withoutMount")
    assert order[mounted:removed] == ["withMountedCache", "withExec"]
    assert steps[mounted][1] == {
        "path": "/var/cache/aideator",
        "cache": [["cacheVolume", {"key": "packages"}]],
    }
    assert steps[removed][1] == {"path": "/var/cache/aideator"}
    assert removed < order.index("withDirectory")


def test_only_the_requirements_decide_about_the_packages() -> None:
    steps = sandbox()
    requirements = one(steps, "withFile")
    assert requirements["source"] == [
        *address("/platform", "directory"),
        ["file", {"path": "agents/builtin/requirements.txt"}],
    ]
    assert names(steps).index("withFile") < names(steps).index("withMountedCache")
    pip = [values["args"][2] for name, values in steps if name == "withExec"][1]
    assert "--require-hashes" in pip


def test_a_direct_agent_has_its_key_by_reference_only() -> None:
    steps = [(name, values) for name, values in agent()["result"]]
    expected = {
        "name": "ANTHROPIC_API_KEY",
        "secret": address("env:ANTHROPIC_API_KEY", "secret"),
    }
    assert one(steps, "withSecretVariable") == expected
    assert "setSecret" not in json.dumps(agent())
    assert "plaintext" not in json.dumps(agent())
    socket = one(steps, "withUnixSocket")
    assert socket == {
        "path": "/run/aideator/events",
        "source": address("unix:///events", "socket"),
    }


def test_a_direct_agents_prompt_comes_from_its_file_and_lies_in_a_file_of_roots() -> (
    None
):
    steps = [(name, values) for name, values in agent()["result"]]
    task = next(
        values
        for name, values in steps
        if name == "withNewFile" and "task" in values["path"]
    )
    assert task["permissions"] == 0o600
    content = json.loads(task["contents"])
    assert content["prompt"] == "the contents"
    assert content["spec"] == {"model": "claude-sonnet-5-5"}


def test_the_repository_comes_by_git_as_it_is_named() -> None:
    steps = [(name, values) for name, values in agent()["result"]]
    source = next(
        values
        for name, values in steps
        if name == "withDirectory" and values["path"] == "/workspace"
    )
    assert source["source"] == [
        ["git", {"url": "https://github.com/user/repo"}],
        ["ref", {"name": "main"}],
        ["tree", {}],
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"agent_config": "[]"}, {"agent_config": "{"}, {"prompt": "  "}],
    ids=["no object", "no JSON", "no prompt"],
)
def test_a_wrong_task_is_refused(wrong: dict[str, str]) -> None:
    arguments = {
        "repo_url": "https://github.com/user/repo",
        "prompt": "Mend it, please",
        "variation_id": "1",
        "anthropic_api_key": given("env:KEY", "secret"),
        "platform": given("/p", "directory"),
        **wrong,
    }
    with pytest.raises(AssertionError, match="FunctionError"):
        ask("stream_agent", json.dumps(arguments))


@functools.cache
def functions() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Each function as the module registers it: name → what is said of it."""
    module = ask("typedefs")["result"]
    (aideator,) = [values["object"] for name, values in module if name == "withObject"]
    found = {}
    for name, values in aideator:
        if name == "withFunction":
            steps = values["function"]
            found[steps[0][1]["name"]] = [(step, each) for step, each in steps]
    return found


def test_the_functions_are_those_that_the_documentation_names() -> None:
    assert set(functions()) == FUNCTIONS
    for name, steps in functions().items():
        assert one(steps, "withDescription")["description"], name


def test_no_call_is_answered_from_another_sessions_result() -> None:
    for name, steps in functions().items():
        assert one(steps, "withCachePolicy") == {"policy": "PerSession"}, name


def test_no_argument_has_the_name_of_an_option_of_the_cli() -> None:
    for name, steps in functions().items():
        flags = {
            each["name"].replace("_", "-") for step, each in steps if step == "withArg"
        }
        assert not flags & OWN_FLAGS, name


def test_the_platform_comes_from_the_modules_own_checkout_unless_given() -> None:
    for name, steps in functions().items():
        (platform,) = [
            each
            for step, each in steps
            if step == "withArg" and each["name"] == "platform"
        ]
        assert platform["defaultPath"] == "src/aideator", name
        assert platform["ignore"][0] == "**"
