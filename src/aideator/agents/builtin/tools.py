"""The model's tools: run a command; read, write and edit files; find files and text.

Names and fields are those of Anthropic's own agent toolset (`agent_toolset_20260401`),
which the models know. The code is ours, because the vendor's shell shows nothing before
the end and importing it builds hundreds of types. The tools do not confine paths: the
sandbox does, and the shell could reach as far.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from aideator.agents.builtin import shell

COMMAND_SECONDS = 120.0
COMMAND_SECONDS_MAX = 600.0
SEARCH_SECONDS = 30.0
FILE_BYTES_MAX = 256 * 1024
GLOB_SHOWN = 200
GLOB_WALKED = 50_000
"""Paths that a pattern may match before the search stops."""

_PATH = {
    "type": "string",
    "description": "Path of the file, relative to the workspace or absolute.",
}
_ROOT = {"type": "string", "description": "Where to search; the workspace when absent."}


def _schema(
    name: str, description: str, required: list[str], **properties: object
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    }


SCHEMAS: list[dict[str, Any]] = [
    _schema(
        "bash",
        "Run a shell command in the workspace and return its output and exit code. "
        "Each call is a new shell: use `cd DIR && …` where needed. Standard input is "
        "empty. There is no network.",
        ["command"],
        command={"type": "string", "description": "The command."},
        timeout_ms={
            "type": "integer",
            "description": "Milliseconds until the command is killed; 120000 when "
            "absent, at most 600000.",
        },
    ),
    _schema(
        "read",
        "Return the text of a file. Files over 256 KiB need a view_range.",
        ["file_path"],
        file_path=_PATH,
        view_range={
            "type": "array",
            "items": {"type": "integer"},
            "description": "[first line, last line], counted from 1, both included; a "
            "last line of -1 means the end.",
        },
    ),
    _schema(
        "write",
        "Write a whole file, making its directories. An existing file is replaced; "
        "prefer edit to change one.",
        ["file_path", "content"],
        file_path=_PATH,
        content={"type": "string", "description": "The new content of the file."},
    ),
    _schema(
        "edit",
        "Replace a piece of text in a file. old_string must be found exactly once, "
        "unless replace_all is true.",
        ["file_path", "old_string", "new_string"],
        file_path=_PATH,
        old_string={
            "type": "string",
            "description": "The text to replace, with its exact white space.",
        },
        new_string={"type": "string", "description": "The text to put there."},
        replace_all={"type": "boolean", "description": "Replace every occurrence."},
    ),
    _schema(
        "glob",
        "List files whose path matches a pattern, newest first.",
        ["pattern"],
        pattern={
            "type": "string",
            "description": "A relative pattern such as `**/*.py`.",
        },
        path=_ROOT,
    ),
    _schema(
        "grep",
        "Search the text of files and return matching lines with file and line number.",
        ["pattern"],
        pattern={
            "type": "string",
            "description": "A POSIX extended regular expression, as for `grep -E`.",
        },
        path=_ROOT,
    ),
]

KINDS = {
    "bash": "execute",
    "read": "read",
    "write": "edit",
    "edit": "edit",
    "glob": "search",
    "grep": "search",
}
"""Tool → ACP's tool kind."""


class ToolFailed(Exception):
    """A tool could not do what was asked; the message is for the model."""


@dataclass(frozen=True)
class Diff:
    """A change that a tool made to a file; `old` is None for a new file."""

    path: str
    old: str | None
    new: str


@dataclass(frozen=True)
class Result:
    """A tool's answer to the model, and the change it made to a file."""

    text: str
    diff: Diff | None = None


@dataclass(frozen=True)
class Tools:
    """The tools, working in one workspace."""

    workspace: Path

    async def call(
        self, name: str, arguments: dict[str, Any], show: Callable[[str], None]
    ) -> Result:
        """Carry out a tool call.

        Args:
            name: The tool.
            arguments: Its input, as the model wrote it.
            show: Called with the output so far while a command runs.

        Raises:
            ToolFailed: if the tool does not exist, its input is wrong, or it fails.
        """
        try:
            match name:
                case "bash":
                    return await self._bash(arguments, show)
                case "grep":
                    return await self._grep(arguments)
                case "read" | "write" | "edit" | "glob":
                    work = {
                        "read": self._read,
                        "write": self._write,
                        "edit": self._edit,
                        "glob": self._glob,
                    }[name]
                    return await asyncio.to_thread(work, arguments)
        except (OSError, ValueError, NotImplementedError) as error:
            raise ToolFailed(f"{name}: {error}") from error
        raise ToolFailed(f"there is no tool {name!r}; there are {', '.join(KINDS)}")

    async def _bash(
        self, arguments: dict[str, Any], show: Callable[[str], None]
    ) -> Result:
        command = _text(arguments, "command")
        seconds = _command_seconds(arguments.get("timeout_ms"))
        program = shutil.which("bash") or "/bin/sh"
        output, code = await shell.run(
            [program, "-c", command], cwd=self.workspace, timeout=seconds, show=show
        )
        if code is None:
            raise ToolFailed(f"{output}\n[killed: it ran longer than {seconds:g} s]")
        if code != 0:
            # As a shell reports it: 128 + n for a command that signal n ended.
            status = code if code > 0 else 128 - code
            raise ToolFailed(f"{output}\n[exit code {status}]")
        return Result(output or "[no output]")

    async def _grep(self, arguments: dict[str, Any]) -> Result:
        # grep itself, not `re`: its matching is linear in the text, and a process can
        # be killed.
        root = self._path(arguments.get("path") or ".")
        argv = [
            "grep",
            "-rnIE",
            "--exclude-dir=.git",
            "--exclude-dir=node_modules",
            "-e",
            _text(arguments, "pattern"),
        ]
        output, code = await shell.run(
            [*argv, "--", str(root)],
            cwd=self.workspace,
            timeout=SEARCH_SECONDS,
            show=lambda _: None,
        )
        if code is None or code > 1 or code < 0:
            raise ToolFailed(f"grep: {output.strip() or 'stopped'}")
        return Result(output.replace(f"{self.workspace}/", "") or "no matches")

    def _read(self, arguments: dict[str, Any]) -> Result:
        path = self._file(_text(arguments, "file_path"))
        view = arguments.get("view_range")
        if view is None:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise ToolFailed(
                    f"read: {path} has {path.stat().st_size} bytes; give a view_range"
                )
            return Result(_decoded(path))
        first, last = _range(view)
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            lines = islice(file, first - 1, last)
            return Result("".join(lines)[:FILE_BYTES_MAX])

    def _write(self, arguments: dict[str, Any]) -> Result:
        path = self._path(_text(arguments, "file_path"))
        content = _text(arguments, "content")
        old = None
        if path.exists():
            old = _decoded(self._file(str(path)), errors="replace")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="")
        return Result(f"wrote {path}", Diff(str(path), old, content))

    def _edit(self, arguments: dict[str, Any]) -> Result:
        path = self._file(_text(arguments, "file_path"))
        old, new = _text(arguments, "old_string"), _text(arguments, "new_string")
        text = _decoded(path)
        found = text.count(old) if old else 0
        if found == 0:
            raise ToolFailed(f"edit: old_string was not found in {path}")
        everywhere = arguments.get("replace_all") is True
        if found > 1 and not everywhere:
            raise ToolFailed(
                f"edit: old_string was found {found} times in {path}; it must be unique"
            )
        path.write_text(text.replace(old, new), encoding="utf-8", newline="")
        return Result(f"edited {path}: {found} replaced", Diff(str(path), old, new))

    def _glob(self, arguments: dict[str, Any]) -> Result:
        root = self._path(arguments.get("path") or ".")
        found = [
            path
            for path in islice(root.glob(_text(arguments, "pattern")), GLOB_WALKED)
            if ".git" not in path.relative_to(root).parts
        ]
        found.sort(key=lambda path: path.lstat().st_mtime, reverse=True)
        shown = [str(path) for path in found[:GLOB_SHOWN]]
        if len(found) > GLOB_SHOWN:
            shown.append(f"[… {len(found) - GLOB_SHOWN} more]")
        return Result("\n".join(shown) or "no matches")

    def _path(self, name: str) -> Path:
        """Return the path that a name means.

        git and test runners name files from the repository's root, also where the
        workspace is a folder of it.
        """
        path = self.workspace / name
        if path.exists():
            return path
        root = next((p for p in path.parents if (p / ".git").exists()), None)
        from_root = (root or self.workspace) / name
        return from_root if from_root.exists() else path

    def _file(self, name: str) -> Path:
        path = self._path(name)
        # Opening a FIFO would wait for a writer for ever.
        if path.exists() and not path.is_file():
            raise ToolFailed(f"{path} is not a regular file")
        return path


def _command_seconds(timeout_ms: object) -> float:
    if isinstance(timeout_ms, int) and timeout_ms > 0:
        return min(timeout_ms / 1000, COMMAND_SECONDS_MAX)
    return COMMAND_SECONDS


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ToolFailed(f"{name} must be a string")
    return value


def _range(view: object) -> tuple[int, int | None]:
    match view:
        case [int(first), int(last)] if first >= 1:
            return first, last if last > 0 else None
        case _:
            raise ToolFailed(
                "view_range must be [first line, last line], counted from 1"
            )


def _decoded(path: Path, errors: str = "strict") -> str:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ToolFailed(f"{path} is larger than {FILE_BYTES_MAX} bytes; use bash")
    with path.open(encoding="utf-8", errors=errors, newline="") as file:
        return file.read()
