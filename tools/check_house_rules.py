"""Rules of the house that ruff has no rule for.

Each says why; each has a planted offence in tests/tools.

no-mock:      tests act on real things; `unittest.mock`, `pytest-mock` and a `monkeypatch.setattr` of code are refused.
              (A shorter time-out, set as a literal, is no mock.)
sql:          SQL text is never built from strings; values travel as parameters. A PRAGMA takes none, and may be built.
async:        nothing in a coroutine may block the loop: no time.sleep, subprocess.run, requests, sqlite3.connect there.
broad-except: one place in the program turns any failure into data; a second one needs a
decision.
size:         a file over 450 lines or a function over 60 is asking for another design; migrations are lists.

A line that must offend says why: `# house: REASON`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_FILE, MAX_FUNCTION, MAX_BROAD = 450, 60, 1
BLOCKING = {
    "time.sleep",
    "subprocess.run",
    "subprocess.check_output",
    "subprocess.check_call",
    "sqlite3.connect",
}
BLOCKING_PACKAGES = ("requests.", "urllib.request.")
MOCKS = ("unittest.mock.", "pytest_mock.")
SQL_METHODS = {"exec_driver_sql", "execute", "executemany", "executescript"}
SQL_LIBRARIES = {"sqlalchemy", "sqlmodel"}

_CODE = (ast.Name, ast.Attribute, ast.Call, ast.Lambda)

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
    texts = sql_texts(tree)
    for node in ast.walk(tree):
        yield from ((path, line, text) for line, text in in_node(node, texts))


def sql_texts(tree: ast.Module) -> set[str]:
    """What SQLAlchemy's `text` is called in this file; other libraries have a `text` as well."""
    imports = (
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)
    )
    names = set()
    for node in imports:
        if isinstance(node, ast.Import):
            names |= {
                f"{a.asname or a.name}.text"
                for a in node.names
                if a.name in SQL_LIBRARIES
            }
        elif (node.module or "").partition(".")[0] in SQL_LIBRARIES:
            names |= {
                alias.asname or alias.name
                for alias in node.names
                if alias.name == "text"
            }
    return names


def in_node(node: ast.AST, texts: set[str]) -> Iterator[tuple[int, str]]:
    """Offences of one syntax node."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        if any(f"{start}{alias.name}.".startswith(MOCKS) for alias in node.names):
            yield node.lineno, "no-mock: act on the real thing"
    if isinstance(node, ast.Call):
        yield from in_call(node, texts)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION:
            yield (
                node.lineno,
                f"size: {node.name} has {length} lines; at most {MAX_FUNCTION}",
            )
    if isinstance(node, ast.AsyncFunctionDef):
        yield from blocking_calls(node)


def in_call(node: ast.Call, texts: set[str]) -> Iterator[tuple[int, str]]:
    """Offences of one call: patched code, SQL made of strings."""
    called = name_of(node.func)
    if called == "monkeypatch.setattr" and any(
        isinstance(part, _CODE) for part in ast.walk(node.args[-1])
    ):
        yield node.lineno, "no-mock: give the code what it needs instead of patching it"
    takes_sql = called in texts or called.rpartition(".")[2] in SQL_METHODS
    if takes_sql and node.args and is_built(node.args[0]):
        yield (
            node.lineno,
            "sql: pass values as parameters, never build the statement from strings",
        )


def is_built(statement: ast.expr) -> bool:
    """Whether a string is put together from parts, one of them unknown."""
    if isinstance(statement, ast.Call):
        return isinstance(statement.func, ast.Attribute) and statement.func.attr in {
            "format",
            "join",
        }
    if not isinstance(statement, ast.JoinedStr | ast.BinOp):
        return False
    parts = list(ast.walk(statement))
    begins = next(
        (
            p.value
            for p in parts
            if isinstance(p, ast.Constant) and isinstance(p.value, str)
        ),
        "",
    )
    unknown = any(
        isinstance(part, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        for part in parts
    )
    return unknown and not begins.upper().startswith("PRAGMA ")


def blocking_calls(function: ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    """Calls that would stop the event loop, in the coroutine itself (not in functions defined inside it)."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in BLOCKING or called.startswith(BLOCKING_PACKAGES):
                yield node.lineno, f"async: {called} blocks the event loop"
        pending += ast.iter_child_nodes(node)


def broad_handlers(path: Path, tree: ast.Module) -> list[Offence]:
    """Handlers that catch everything."""
    return [
        (path, node.lineno, "broad-except: catch what you expect")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node.type)
    ]


def catches_everything(caught: ast.expr | None) -> bool:
    """Whether a handler is bare, or names Exception, alone or among others."""
    if isinstance(caught, ast.Tuple):
        return any(catches_everything(each) for each in caught.elts)
    return caught is None or name_of(caught) in {"Exception", "BaseException"}


def spared_rules(path: Path) -> tuple[str, ...]:
    """The rules that do not hold for a file."""
    if path.parts[0] != "src":
        return ("size", "async")
    return ("size",) if path.parts[-3:-1] == ("migrations", "versions") else ()


def check(
    root: Path, folders: tuple[str, ...] = ("src", "tests", "bench", "tools")
) -> list[Offence]:
    """Every offence below `root`."""
    found: list[Offence] = []
    broad: list[Offence] = []
    for path in sorted(p for folder in folders for p in (root / folder).rglob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        limit = folders[0] == path.relative_to(root).parts[0]
        spared = spared_rules(path.relative_to(root))
        waived = {
            number
            for number, line in enumerate(source.splitlines(), start=1)
            if "# house: " in line
        }
        rows = offences(path, tree, source.count("\n"))
        found += [
            row
            for row in rows
            if not row[2].startswith(spared) and row[1] not in waived
        ]
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
