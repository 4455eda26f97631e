"""GraphQL schema of Dagger's core API, derived from the installed dagger-io wheel.

Its bindings are generated from the schema, one method for each field, so the schema can
be read from what each method selects, and with which arguments. Nullability is lost;
nothing here depends on it.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import graphql
from dagger.client import gen

_SCALARS = {
    "str": "String",
    "int": "Int",
    "float": "Float",
    "bool": "Boolean",
    "None": "Boolean",
}


def _classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(gen.__file__).read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _base(node: ast.ClassDef) -> str:
    return ast.unparse(node.bases[0]) if node.bases else ""


def _type(
    annotation: ast.expr | None, kinds: dict[str, str], *, argument: bool, own: str = ""
) -> str:
    """Return a Python annotation as a GraphQL type. Arguments name objects by id."""
    if annotation is None:
        return "Boolean"
    text = re.sub(r"[\"']| \| None", "", ast.unparse(annotation))
    if text.startswith("list["):
        item = ast.parse(text[5:-1], mode="eval").body
        return f"[{_type(item, kinds, argument=argument, own=own)}]"
    if text == "Self":
        text = own
    if text in _SCALARS:
        return _SCALARS[text]
    return "ID" if argument and kinds.get(text) == "Type" else text


def _fields(node: ast.ClassDef, kinds: dict[str, str]) -> Iterator[str]:
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        selected = [*_calls(method, "_select"), *_calls(method, "execute_sync")]
        if not selected or method.name == "id":
            continue
        constants = [a.value for a in selected[0].args if isinstance(a, ast.Constant)]
        field = constants[0] if constants else "sync"
        returned = "ID"
        if field != "sync":
            returned = _type(method.returns, kinds, argument=False, own=node.name)
        yield f"  {field!s}{_arguments(method, kinds, node.name)}: {returned}"


_Method = ast.FunctionDef | ast.AsyncFunctionDef


def _calls(method: _Method, name: str) -> Iterator[ast.Call]:
    """Yield the calls of a function or method of that name."""
    for call in ast.walk(method):
        if not isinstance(call, ast.Call):
            continue
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if called == name:
            yield call


def _arguments(method: _Method, kinds: dict[str, str], own: str) -> str:
    parameters = (*method.args.args, *method.args.kwonlyargs)
    annotations = {each.arg: each.annotation for each in parameters}
    found = []
    for call in _calls(method, "Arg"):
        annotation = annotations[_variable(call.args[1])]
        kind = _type(annotation, kinds, argument=True, own=own)
        found.append(f"{ast.literal_eval(call.args[0])}: {kind}")
    return f"({', '.join(found)})" if found else ""


def _variable(value: ast.expr) -> str:
    """Return the parameter in an argument's value, which may be `x or []`."""
    return next(node.id for node in ast.walk(value) if isinstance(node, ast.Name))


def _definition(name: str, node: ast.ClassDef, kinds: dict[str, str]) -> list[str]:
    match kinds[name]:
        case "Scalar":
            return [f"scalar {name}"]
        case "Enum":
            return [f"enum {name} {{ {' '.join(_members(node))} }}"]
        case "Input":
            inputs = [
                f"{a.target.id}: {_type(a.annotation, kinds, argument=True)}"
                for a in node.body
                if isinstance(a, ast.AnnAssign) and isinstance(a.target, ast.Name)
            ]
            return [f"input {name} {{ {', '.join(inputs)} }}"]
        case "Type":
            head = f"type {name} implements Node {{"
            return [head, "  id: ID!", *_fields(node, kinds), "}"]
        case "Root":
            fields = _fields(node, kinds)
            own = [field for field in fields if not field.strip().startswith("node")]
            return ["type Query {", "  id: ID!", "  node(id: ID): Node", *own, "}"]
    return []


def _members(node: ast.ClassDef) -> Iterator[str]:
    for assignment in node.body:
        if isinstance(assignment, ast.Assign):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    yield target.id


@functools.cache
def sdl() -> str:
    """Return the schema in GraphQL's own language."""
    classes = _classes()
    kinds = {name: _base(node) for name, node in classes.items()}
    lines = [
        "interface Node { id: ID! }",
        "interface Exportable { id: ID! }",
        "interface Syncer { id: ID! }",
    ]
    for name, node in classes.items():
        lines += _definition(name, node, kinds)
    return "\n".join(lines)


@functools.cache
def schema() -> graphql.GraphQLSchema:
    """The schema, checked by graphql-core."""
    return graphql.build_schema(sdl())


@functools.cache
def introspection() -> dict[str, object]:
    """What an endpoint with this schema answers when it is asked what it is."""
    return dict(graphql.introspection_from_schema(schema()))
