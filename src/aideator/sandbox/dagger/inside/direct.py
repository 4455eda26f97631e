"""The built-in agent, or a check, in a container that was asked for by hand: there is no AIdeator server then.

    direct.py ORDER TASK [EVENTS]

What a server would do is done here, by root, under the same supervisor: `provider.py`
holds the key and passes the agent's calls on, a second process talks to the agent, the
change is taken with a copy of `.git` that the agent never saw. At the end one JSON line
says it all.
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
_DEBRIS = "__pycache__/\n*.py[co]\n.pytest_cache/\n.mypy_cache/\n.ruff_cache/\n.hypothesis/\n.venv/\nnode_modules/\n"
"""What tools leave behind, and no change should carry unless the project tracks it."""
_BASE = (
    "git init -q . 2>&1 && git add -A 2>&1 && git commit -q --allow-empty -m base 2>&1"
)
_TAKE = (
    '{ [ ! -e "$GIT_DIR/index" ] || cp "$GIT_DIR/index" /tmp/index; } && '
    "export GIT_INDEX_FILE=/tmp/index GIT_OBJECT_DIRECTORY=/tmp/objects "
    'GIT_ALTERNATE_OBJECT_DIRECTORIES="$GIT_DIR/objects" && mkdir /tmp/objects && '
    "{ git add -A --ignore-errors || true; } && git diff --cached --no-ext-diff --no-textconv --no-renames --no-color "
)


def environment(**more: str) -> "dict[str, str]":
    """The environment of what is started: nothing of this process's own but where programs are."""
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": path,
        "HOME": "/home/agent",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": "/tmp",
        **more,
    }


def run(
    order: "dict[str, Any]",
    script: str,
    env: "Mapping[str, str]",
    output: str,
    given: str = os.devnull,
) -> "dict[str, Any]":
    """Run a shell script as the ordinary user, supervised, with its output in a file; the supervisor's record."""
    with open(given, "rb") as stdin, open(output, "wb") as stdout:
        streams = (stdin.fileno(), stdout.fileno(), stdout.fileno())
        child = start(order, ["/bin/sh", "-c", script], dict(env), streams)
    return supervise(order, child)


def check(order: "dict[str, Any]", task: "dict[str, Any]") -> "dict[str, Any]":
    """Apply the patch, if there is one, and run the command."""
    output, env = os.path.join(order["run"], "output"), environment()
    if task["patch"]:
        applied = run(
            order,
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
    record = run(order, task["command"], env, output)
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
    order: "dict[str, Any]", task: "dict[str, Any]", events: str
) -> "dict[str, Any]":
    """Let the agent work, and take what it changed."""
    trusted = keep_git(order)
    server = provider.listen()
    gateway = provider.serve_apart(
        server, task["base_url"], os.environ.pop("ANTHROPIC_API_KEY", "")
    )
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()
    (theirs_in, to_agent), (from_agent, theirs_out) = os.pipe(), os.pipe()
    child = start(
        order, _agent_argv(order), _agent_env(task, url), (theirs_in, theirs_out, 2)
    )
    os.close(theirs_in)
    os.close(theirs_out)
    result = os.path.join(order["run"], "result.json")
    talker = _talk_apart(task, events, (to_agent, from_agent), result)
    record = supervise(order, child)
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
        **take_patch(order, trusted),
        **record,
    }


def _agent_argv(order: "dict[str, Any]") -> "list[str]":
    code = (
        f"import sys; sys.path += [{order['packages']!r}]; sys.path.append({order['platform']!r}); "
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
    """Talk to the agent in a process of its own, and write down what came of it; the process's id."""
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
    """Where the agent's messages go: the socket, or else standard error."""
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


def keep_git(order: "dict[str, Any]") -> str:
    """Copy the repository's `.git`, or make one, to where the agent cannot write; its path."""
    trusted = os.path.join(order["run"], "trusted.git")
    own = os.path.join(order["workspace"], ".git")
    if os.path.isdir(own) and not os.path.islink(own):
        shutil.copytree(own, trusted, symlinks=True)
    else:
        env = environment(
            **_git_settings(),
            GIT_DIR=trusted,
            GIT_WORK_TREE=order["workspace"],
            HOME="/nonexistent",
        )
        pid = os.fork()
        if pid == 0:
            os.chdir(order["workspace"])
            os.execve("/bin/sh", ["sh", "-c", _BASE], env)
        os.waitpid(pid, 0)
    os.makedirs(os.path.join(trusted, "info"), exist_ok=True)
    with open(os.path.join(trusted, "info", "exclude"), "w", encoding="ascii") as file:
        file.write(_DEBRIS)
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


def take_patch(order: "dict[str, Any]", trusted: str) -> "dict[str, Any]":
    """What has changed, as `git diff --binary` writes it.

    The agent's own `.git` is never read.
    """
    env = environment(
        **_git_settings(), GIT_DIR=trusted, GIT_WORK_TREE=order["workspace"]
    )
    files = {kind: os.path.join(order["run"], kind) for kind in ("patch", "numstat")}
    for kind, arguments in (
        ("patch", "--binary --full-index"),
        ("numstat", "--numstat"),
    ):
        script = f"exec 3>&1 >/dev/null 2>&1; rm -rf /tmp/objects; {_TAKE} {arguments} HEAD >&3"
        record = run(order, script, env, files[kind])
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
    """Carry out one task."""
    try:
        order_path, task_path, *events = sys.argv[1:]
        with open(order_path, encoding="utf-8") as file:
            order = json.load(file)
        with open(task_path, encoding="utf-8") as file:
            task = json.load(file)
        facts = prepare(order)
        done = (
            check(order, task)
            if task["kind"] == "check"
            else agent(order, task, (events or [""])[0])
        )
    except (BadChange, OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"the task cannot be carried out: {error}\n")
        sys.exit(MALFUNCTION)
    sys.stdout.write(json.dumps({**done, "outside": facts["outside"]}) + "\n")
