"""Run the built-in agent, or a check, in a container without an AIdeator server.

    direct.py CONFIG TASK [EVENTS]

Root does here what a server would do, under the same supervisor: `provider.py` holds
the key and forwards the agent's calls, a second process talks to the agent, and the
patch is made with a copy of `.git` that the agent never saw. At the end it prints one
JSON line with the result.
"""

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from aideator.sandbox.dagger.inside import provider
from aideator.sandbox.dagger.inside.change import BadChange
from aideator.sandbox.dagger.inside.launcher import (
    MALFUNCTION,
    WORKSPACE,
    prepare,
    start,
)
from aideator.sandbox.dagger.inside.supervisor import supervise
from aideator.sandbox.system_files import COMMON_ENV

OUTPUT_KEPT, PATCH_MOST = 65_536, 10 * 2**20
_LINE_MOST = 16 * 2**20
_DEFAULT_MODEL = "claude-opus-5-5"
_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none",
}
_HARDENED = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.checkStat": "default",
    "user.name": "base",
    "user.email": "base@sandbox.invalid",
}
_IGNORED = """\
__pycache__/
*.py[co]
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.venv/
node_modules/
"""
"""Patterns of files that tools leave behind: no part of a change unless tracked."""
_BASE = (
    "git init -q . 2>&1 && git add -A 2>&1 && git commit -q --allow-empty -m base 2>&1"
)
_DIFF = (
    '{ [ ! -e "$GIT_DIR/index" ] || cp "$GIT_DIR/index" /tmp/index; } && '
    "export GIT_INDEX_FILE=/tmp/index GIT_OBJECT_DIRECTORY=/tmp/objects "
    'GIT_ALTERNATE_OBJECT_DIRECTORIES="$GIT_DIR/objects" && mkdir /tmp/objects && '
    "{ git add -A --ignore-errors || true; } && "
    "git diff --cached --no-ext-diff --no-textconv --no-renames --no-color "
)


def environment(**more: str) -> "dict[str, str]":
    """Return a new process's environment, with nothing of this one's but PATH."""
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": path,
        **COMMON_ENV,
        **more,
    }


def run(
    config: "dict[str, Any]",
    script: str,
    env: "Mapping[str, str]",
    output: str,
    given: str = os.devnull,
) -> "dict[str, Any]":
    """Run a shell script as the ordinary user, and return the supervisor's record.

    Args:
        config: The launcher's config.
        script: The script.
        env: Its whole environment.
        output: File for its standard output and standard error.
        given: File for its standard input.
    """
    with open(given, "rb") as stdin, open(output, "wb") as stdout:
        streams = (stdin.fileno(), stdout.fileno(), stdout.fileno())
        child = start(config, ["/bin/sh", "-c", script], dict(env), streams)
    return supervise(config, child)


def check(config: "dict[str, Any]", task: "dict[str, Any]") -> "dict[str, Any]":
    """Apply the patch, if there is one, and run the command."""
    output, env = os.path.join(config["run"], "output"), environment()
    if task["patch"]:
        applied = run(
            config,
            "git apply --whitespace=nowarn -",
            {**env, **_git_settings()},
            output,
            task["patch"],
        )
        if applied["code"] != 0:
            return {
                "exit_code": None,
                "error": f"the patch does not apply: {_tail(output)}",
            }
    begun = time.monotonic()
    record = run(config, task["command"], env, output)
    stopped = "wall clock" in record["reasons"]
    return {
        "exit_code": None if stopped else record["code"],
        "output": _tail(output),
        "seconds": round(time.monotonic() - begun, 3),
        **record,
    }


def _tail(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - OUTPUT_KEPT))
        return file.read().decode(errors="replace").strip()


def agent(
    config: "dict[str, Any]", task: "dict[str, Any]", events: str
) -> "dict[str, Any]":
    """Run the agent, and return its result with the patch."""
    trusted = keep_git(config)
    server = provider.listen()
    gateway = provider.serve_apart(
        server, task["base_url"], os.environ.pop("ANTHROPIC_API_KEY", "")
    )
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()
    (theirs_in, to_agent), (from_agent, theirs_out) = os.pipe(), os.pipe()
    child = start(
        config, _agent_argv(config), _agent_env(task, url), (theirs_in, theirs_out, 2)
    )
    os.close(theirs_in)
    os.close(theirs_out)
    result = os.path.join(config["run"], "result.json")
    talker = _talk_apart(task, events, (to_agent, from_agent), result)
    record = supervise(config, child)
    for pid in (talker, gateway):
        if pid == gateway:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with open(result, encoding="utf-8") as file:
        said = json.load(file)
    return {
        "variation_id": task["variation_id"],
        **said,
        "exit_code": record["code"],
        **take_patch(config, trusted),
        **record,
    }


def _agent_argv(config: "dict[str, Any]") -> "list[str]":
    directories = [config["packages"], config["platform"]]
    code = (
        f"import sys; sys.path += {directories!r}; "
        "from aideator.agents.builtin.main import main; main()"
    )
    return [sys.executable, "-I", "-S", "-c", code]


def _agent_env(task: "dict[str, Any]", url: str) -> "dict[str, str]":
    spec = {"model": _DEFAULT_MODEL, **task["spec"]}
    return environment(
        ANTHROPIC_BASE_URL=url,
        ANTHROPIC_AUTH_TOKEN=provider.TOKEN,
        AIDEATOR_AGENT_SETTINGS=json.dumps(spec),
    )


def _talk_apart(
    task: "dict[str, Any]", events: str, pipes: "tuple[int, int]", result: str
) -> int:
    """Talk to the agent in a new process, and return its process id.

    It writes the outcome to the file `result`.
    """
    pid = os.fork()
    if pid:
        for descriptor in pipes:
            os.close(descriptor)
        return pid
    said: dict[str, Any] = {
        "stop_reason": None,
        "message": "",
        "error": "the agent ended before its turn did",
    }
    try:
        with (
            os.fdopen(pipes[0], "wb") as to_agent,
            os.fdopen(pipes[1], "rb") as from_agent,
        ):
            said.update(
                _talk(task["prompt"], to_agent, from_agent, _open_events(events))
            )
    except (OSError, ValueError) as error:
        said["error"] = f"the agent is not understood: {error}"
    finally:
        with open(result, "w", encoding="ascii") as file:
            json.dump(said, file)
        os._exit(0)


def _open_events(path: str) -> BinaryIO:
    """Open the socket for the agent's messages, or standard error without one."""
    if not path:
        return sys.stderr.buffer
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.connect(path)
    return line.makefile("wb")


def _talk(
    prompt: str, to_agent: BinaryIO, from_agent: BinaryIO, events: BinaryIO
) -> "dict[str, Any]":
    """Hold one turn of the Agent Client Protocol."""

    def ask(number: int, method: str, params: "dict[str, Any]") -> None:
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        to_agent.write(json.dumps(request).encode() + b"\n")
        to_agent.flush()

    ask(1, "initialize", {"protocolVersion": 1, "clientCapabilities": {}})
    texts: dict[str, str] = {}
    while line := from_agent.readline(_LINE_MOST):
        events.write(line)
        events.flush()
        match json.loads(line):
            case {"id": 1, "result": _}:
                ask(2, "session/new", {"cwd": WORKSPACE, "mcpServers": []})
            case {"id": 2, "result": {"sessionId": session}}:
                ask(
                    3,
                    "session/prompt",
                    {
                        "sessionId": session,
                        "prompt": [{"type": "text", "text": prompt}],
                    },
                )
            case {"id": 3, "result": {"stopReason": reason}}:
                return {
                    "stop_reason": reason,
                    "message": ([*texts.values()] or [""])[-1],
                    "error": None,
                }
            case {"id": _, "error": {"message": message}}:
                return {"error": message, "message": ([*texts.values()] or [""])[-1]}
            case {
                "params": {
                    "update": {
                        "sessionUpdate": "agent_message_chunk",
                        "content": {"text": text},
                    } as update
                }
            }:
                key = str(update.get("messageId"))
                texts[key] = texts.get(key, "") + text
    return {}


def keep_git(config: "dict[str, Any]") -> str:
    """Copy or create `.git` where the agent cannot write, and return its path."""
    trusted = os.path.join(config["run"], "trusted.git")
    own = os.path.join(config["workspace"], ".git")
    if os.path.isdir(own) and not os.path.islink(own):
        shutil.copytree(own, trusted, symlinks=True)
    else:
        env = environment(
            **_git_settings(),
            GIT_DIR=trusted,
            GIT_WORK_TREE=config["workspace"],
            HOME="/nonexistent",
        )
        pid = os.fork()
        if pid == 0:
            os.chdir(config["workspace"])
            os.execve("/bin/sh", ["sh", "-c", _BASE], env)
        os.waitpid(pid, 0)
    os.makedirs(os.path.join(trusted, "info"), exist_ok=True)
    with open(os.path.join(trusted, "info", "exclude"), "w", encoding="ascii") as file:
        file.write(_IGNORED)
    for folder, _, files in os.walk(trusted):
        os.chmod(folder, 0o755)
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o644)
    return trusted


def _git_settings() -> "dict[str, str]":
    settings = {"GIT_CONFIG_COUNT": str(len(_HARDENED))}
    for number, (name, value) in enumerate(_HARDENED.items()):
        settings |= {
            f"GIT_CONFIG_KEY_{number}": name,
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return {**_GIT, **settings}


def take_patch(config: "dict[str, Any]", trusted: str) -> "dict[str, Any]":
    """Return the change as `git diff --binary` writes it, with statistics.

    The workspace's own `.git` is never read.
    """
    env = environment(
        **_git_settings(), GIT_DIR=trusted, GIT_WORK_TREE=config["workspace"]
    )
    files = {kind: os.path.join(config["run"], kind) for kind in ("patch", "numstat")}
    for kind, arguments in (
        ("patch", "--binary --full-index"),
        ("numstat", "--numstat"),
    ):
        script = (
            "exec 3>&1 >/dev/null 2>&1; rm -rf /tmp/objects; "
            f"{_DIFF} {arguments} HEAD >&3"
        )
        record = run(config, script, env, files[kind])
        if record["code"] != 0:
            return {
                "patch": None,
                "stats": None,
                "patch_error": "git cannot make a patch of the change",
            }
    with open(files["patch"], "rb") as file:
        patch = file.read(PATCH_MOST + 1)
    if len(patch) > PATCH_MOST:
        return {
            "patch": None,
            "stats": None,
            "patch_error": "the change is too large for a patch",
        }
    with open(files["numstat"], encoding="utf-8", errors="replace") as file:
        rows = [line.split("\t", 2) for line in file]
    numbers = [(int(row[0]), int(row[1])) for row in rows if row[0] != "-"]
    stats = {
        "files": len(rows),
        "additions": sum(n[0] for n in numbers),
        "deletions": sum(n[1] for n in numbers),
    }
    return {"patch": patch.decode("utf-8", "surrogateescape"), "stats": stats}


def main() -> None:
    """Run the task, and print its result."""
    try:
        order_path, task_path, *events = sys.argv[1:]
        with open(order_path, encoding="utf-8") as file:
            config = json.load(file)
        with open(task_path, encoding="utf-8") as file:
            task = json.load(file)
        facts = prepare(config)
        done = (
            check(config, task)
            if task["kind"] == "check"
            else agent(config, task, (events or [""])[0])
        )
    except (BadChange, OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"the task cannot be carried out: {error}\n")
        sys.exit(MALFUNCTION)
    sys.stdout.write(json.dumps({**done, "outside": facts["outside"]}) + "\n")
