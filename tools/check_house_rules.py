"""Rules of the house that ruff has no rule for. Each says why; each has a planted offence in tests/tools.

no-mock:      tests act on real things; `unittest.mock`, `pytest-mock` and `monkeypatch.setattr` are refused.
sql:          SQL text is never built from strings; values travel as parameters.
async:        nothing in a coroutine may block the loop: no time.sleep, subprocess.run, requests, sqlite3.connect there.
broad-except: one place in the program turns any failure into data; a second one needs a decision.
size:         a file over 400 lines or a function over 60 is asking for another design.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_FILE, MAX_FUNCTION, MAX_BROAD = 400, 60, 1
BLOCKING = {"time.sleep", "subprocess.run", "subprocess.check_output", "subprocess.check_call", "sqlite3.connect"}
SQL_CALLS = {"text", "exec_driver_sql", "execute"}

Offence = tuple[Path, int, str]


def name_of(node: ast.expr) -> str:
    """The dotted name of an expression, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def offences(path: Path, tree: ast.Module, lines: int) -> Iterator[Offence]:
    """Every offence in one file."""
    if lines > MAX_FILE:
        yield path, 1, f"size: {lines} lines; at most {MAX_FILE}"
    for node in ast.walk(tree):
        yield from ((path, line, text) for line, text in in_node(node))


def in_node(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Offences of one syntax node."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
        if module.split(".")[:2] == ["unittest", "mock"] or module.startswith("pytest_mock"):
            yield node.lineno, "no-mock: act on the real thing"
    if isinstance(node, ast.Call):
        yield from in_call(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION:
            yield node.lineno, f"size: {node.name} has {length} lines; at most {MAX_FUNCTION}"
    if isinstance(node, ast.AsyncFunctionDef):
        yield from blocking_calls(node)


def in_call(node: ast.Call) -> Iterator[tuple[int, str]]:
    """Offences of one call: patched code, SQL made of strings."""
    called = name_of(node.func)
    if called == "monkeypatch.setattr":
        yield node.lineno, "no-mock: give the code what it needs instead of patching it"
    built = node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
    if built and called.rpartition(".")[2] in SQL_CALLS:
        yield node.lineno, "sql: pass values as parameters, never build the statement from strings"


def blocking_calls(function: ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    """Calls that would stop the event loop, in the coroutine itself (not in functions defined inside it)."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call) and name_of(node.func) in BLOCKING:
            yield node.lineno, f"async: {name_of(node.func)} blocks the event loop"
        pending += ast.iter_child_nodes(node)


def broad_handlers(path: Path, tree: ast.Module) -> list[Offence]:
    """Handlers that catch everything."""
    return [
        (path, node.lineno, "broad-except: catch what you expect")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or name_of(node.type) in {"Exception", "BaseException"})
    ]


def check(root: Path, folders: tuple[str, ...] = ("src", "tests", "bench", "tools")) -> list[Offence]:
    """Every offence below `root`."""
    found: list[Offence] = []
    broad: list[Offence] = []
    for path in sorted(p for folder in folders for p in (root / folder).rglob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        limit = folders[0] == path.relative_to(root).parts[0]
        rows = [row for row in offences(path, tree, source.count("\n")) if limit or not row[2].startswith("size")]
        blocking_in_tests = not limit
        found += [row for row in rows if not (blocking_in_tests and row[2].startswith("async"))]
        if limit:
            broad += broad_handlers(path, tree)
    return found + (broad if len(broad) > MAX_BROAD else [])


def main() -> int:
    """Print every offence; the exit code says whether there is one."""
    found = check(ROOT)
    for path, line, text in found:
        sys.stderr.write(f"{path.relative_to(ROOT)}:{line}: {text}\n")
    return min(len(found), 100)


if __name__ == "__main__":
    sys.exit(main())
