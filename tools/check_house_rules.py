"""Check the rules that ruff has no rule for. Each has a planted offence in tests/tools.

no-mock:      Tests act on real things: `unittest.mock`, `pytest-mock` and a
              `monkeypatch.setattr` of code are refused. (A shorter time-out, set as a
              literal, is no mock.)
sql:          SQL text is never built from strings; values travel as parameters. A
              PRAGMA takes none, and may be built.
async:        Nothing in a coroutine may block the loop: no time.sleep,
              subprocess.run, requests, sqlite3.connect there.
broad-except: One place in the program turns any failure into data; a second one needs
              a decision record.
size:         A file over 450 lines or a function over 60 asks for another design;
              migrations are lists.
decisions:    A function makes at most 12 decisions, and 99 in 100 functions of the
              program make at most 10. Counted are if, for, while, except, assert, case,
              ternaries, the `for` and `if` parts of comprehensions and each further
              operand of `and` and `or`. ruff's C901 counts neither ternaries nor
              boolean operators nor comprehensions: a dense expression passes it.
ternary:      No conditional expression inside another one.
nested-for:   No comprehension with two `for` parts: write a loop or name a function.
ratchet:      What tools/ratchet.json counts may only become fewer; a lower count is
              written there in the same commit.

A line that must offend says why: `# house: REASON`.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
RATCHET = Path("tools", "ratchet.json")
MAX_FILE, MAX_FUNCTION, MAX_BROAD = 450, 60, 1
MAX_DECISIONS, MAX_DECISIONS_P99 = 12, 10
MANY_DECISIONS = 8
"""Functions with more are counted by the ratchet."""
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
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.match_case,
    ast.IfExp,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Offence = tuple[Path, int, str]


def name_of(node: ast.expr) -> str:
    """Return the dotted name of an expression, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def offences(path: Path, tree: ast.Module, lines: int) -> Iterator[Offence]:
    """Yield every offence in one file."""
    if lines > MAX_FILE:
        yield path, 1, f"size: {lines} lines; at most {MAX_FILE}"
    texts = sql_texts(tree)
    for node in ast.walk(tree):
        for line, text in in_node(node, texts):
            yield path, line, text


def sql_texts(tree: ast.Module) -> set[str]:
    """Return the names of SQLAlchemy's `text` in a file; others have a `text` too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            libraries = [a for a in node.names if a.name in SQL_LIBRARIES]
            names |= {f"{alias.asname or alias.name}.text" for alias in libraries}
        elif isinstance(node, ast.ImportFrom) and is_sql_library(node.module):
            texts = [alias for alias in node.names if alias.name == "text"]
            names |= {alias.asname or alias.name for alias in texts}
    return names


def is_sql_library(module: str | None) -> bool:
    """Tell whether a module belongs to a library whose `text` takes SQL."""
    return (module or "").partition(".")[0] in SQL_LIBRARIES


def in_node(node: ast.AST, texts: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the offences of one syntax node."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        if any(f"{start}{alias.name}.".startswith(MOCKS) for alias in node.names):
            yield node.lineno, "no-mock: act on the real thing"
    if isinstance(node, ast.Call):
        yield from in_call(node, texts)
    if isinstance(node, Function):
        yield from in_function(node)
    if isinstance(node, ast.IfExp) and is_chained(node):
        yield node.lineno, "ternary: one conditional expression inside another"
    if isinstance(node, _COMPREHENSIONS) and len(node.generators) > 1:
        yield node.lineno, "nested-for: a comprehension with two `for` parts"


def is_chained(ternary: ast.IfExp) -> bool:
    """Tell whether a result of a conditional expression is another one."""
    return isinstance(ternary.body, ast.IfExp) or isinstance(ternary.orelse, ast.IfExp)


def in_function(node: Function) -> Iterator[tuple[int, str]]:
    """Yield the offences of a function as a whole: its length, its decisions."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > MAX_FUNCTION:
        text = f"size: {node.name} has {length} lines; at most {MAX_FUNCTION}"
        yield node.lineno, text
    made = decisions(node)
    if made > MAX_DECISIONS:
        text = f"decisions: {node.name} makes {made}; at most {MAX_DECISIONS}"
        yield node.lineno, text
    if isinstance(node, ast.AsyncFunctionDef):
        yield from blocking_calls(node)


def decisions(function: Function) -> int:
    """Count the decisions of a function; one nested inside counts for itself."""
    made = 1
    for node in nodes_of(function):
        if isinstance(node, _BRANCHES):
            made += 1
        elif isinstance(node, ast.comprehension):
            made += 1 + len(node.ifs)
        elif isinstance(node, ast.BoolOp):
            made += len(node.values) - 1
    return made


def nodes_of(function: Function, *, lambdas: bool = True) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions defined inside it."""
    pending: list[ast.AST] = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        if isinstance(node, Function) or (isinstance(node, ast.Lambda) and not lambdas):
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def in_call(node: ast.Call, texts: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the offences of one call: patched code, SQL made of strings."""
    called = name_of(node.func)
    parts = ast.walk(node.args[-1]) if called == "monkeypatch.setattr" else ()
    if any(isinstance(part, _CODE) for part in parts):
        text = "no-mock: give the code what it needs instead of patching it"
        yield node.lineno, text
    takes_sql = called in texts or called.rpartition(".")[2] in SQL_METHODS
    if takes_sql and node.args and is_built(node.args[0]):
        text = "sql: pass values as parameters, never build the statement from strings"
        yield node.lineno, text


def is_built(statement: ast.expr) -> bool:
    """Tell whether a string is put together from parts, one of them unknown."""
    if isinstance(statement, ast.Call):
        function = statement.func
        return isinstance(function, ast.Attribute) and function.attr in (
            "format",
            "join",
        )
    if not isinstance(statement, ast.JoinedStr | ast.BinOp):
        return False
    parts = list(ast.walk(statement))
    literals = [part.value for part in parts if isinstance(part, ast.Constant)]
    begins = next((value for value in literals if isinstance(value, str)), "")
    variable = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
    unknown = any(isinstance(part, variable) for part in parts)
    return unknown and not begins.upper().startswith("PRAGMA ")


def blocking_calls(function: ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    """Yield calls in a coroutine itself that would stop the event loop."""
    for node in nodes_of(function, lambdas=False):
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in BLOCKING or called.startswith(BLOCKING_PACKAGES):
                yield node.lineno, f"async: {called} blocks the event loop"


def broad_handlers(path: Path, tree: ast.Module) -> list[Offence]:
    """Return the handlers that catch everything."""
    return [
        (path, node.lineno, "broad-except: catch what you expect")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node.type)
    ]


def catches_everything(caught: ast.expr | None) -> bool:
    """Tell whether a handler is bare, or names Exception, alone or among others."""
    if isinstance(caught, ast.Tuple):
        return any(catches_everything(each) for each in caught.elts)
    return caught is None or name_of(caught) in {"Exception", "BaseException"}


def spared_rules(path: Path) -> tuple[str, ...]:
    """Return the rules that do not hold for a file."""
    if path.parts[0] != "src":
        return ("size", "async", "decisions", "nested-for")
    return ("size",) if path.parts[-3:-1] == ("migrations", "versions") else ()


def too_many_decisions(made: Iterable[int]) -> str:
    """Say what is wrong with the decisions of all functions; empty if nothing is."""
    ordered = sorted(made)
    p99 = ordered[int(len(ordered) * 0.99)] if ordered else 0
    if p99 <= MAX_DECISIONS_P99:
        return ""
    return f"decisions: p99 of all functions is {p99}; at most {MAX_DECISIONS_P99}"


def ratchet(root: Path, counts: dict[str, int]) -> Iterator[Offence]:
    """Compare what is counted with the recorded counts, which may only fall."""
    record = root / RATCHET
    if not record.is_file():
        return
    for what, allowed in json.loads(record.read_text()).items():
        if counts[what] > allowed:
            yield record, 1, f"ratchet: {what}: {counts[what]}; at most {allowed}"
        elif counts[what] < allowed:
            yield record, 1, f"ratchet: {what}: {counts[what]}; write that down here"


def check(
    root: Path, folders: tuple[str, ...] = ("src", "tests", "bench", "tools")
) -> list[Offence]:
    """Return every offence below `root`."""
    found: list[Offence] = []
    broad: list[Offence] = []
    made: list[int] = []
    counts = {"noqa": 0, "type: ignore": 0}
    for path in sorted(p for f in folders for p in (root / f).rglob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        lines = source.splitlines()
        spared = spared_rules(path.relative_to(root))
        waived = {n for n, line in enumerate(lines, start=1) if "# house: " in line}
        for row in offences(path, tree, len(lines)):
            if not row[2].startswith(spared) and row[1] not in waived:
                found.append(row)
        if path.relative_to(root).parts[0] != folders[0]:
            continue
        broad += broad_handlers(path, tree)
        made += [decisions(n) for n in ast.walk(tree) if isinstance(n, Function)]
        counts["noqa"] += source.count("# noqa")
        counts["type: ignore"] += source.count("# type: ignore")
    counts["functions above 8 decisions"] = sum(n > MANY_DECISIONS for n in made)
    if text := too_many_decisions(made):
        found.append((root / folders[0], 1, text))
    found += ratchet(root, counts)
    return found + (broad if len(broad) > MAX_BROAD else [])


def main() -> int:
    """Print every offence; the exit code says whether there is one."""
    found = check(ROOT)
    for path, line, text in found:
        sys.stderr.write(f"{path.relative_to(ROOT)}:{line}: {text}\n")
    return min(len(found), 100)


if __name__ == "__main__":
    sys.exit(main())
