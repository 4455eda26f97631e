"""The GraphQL schema of Dagger's core API, derived from the bindings in the installed dagger-io wheel.

The bindings are generated from the schema, one method for each field, so the way back
is mechanical: what a method selects, and with which arguments. Nullability is lost on
the way; nothing here depends on it.
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
    """A Python annotation as a GraphQL type. Objects are given by their id."""
    if annotation is None:
        return "Boolean"
    text = re.sub(r"[\"']| \| None", "", ast.unparse(annotation))
    if text.startswith("list["):
        return f"[{_type(ast.parse(text[5:-1]).body[0].value, kinds, argument=argument, own=own)}]"  # type: ignore[attr-defined]
    if text == "Self":
        text = own
    if text in _SCALARS:
        return _SCALARS[text]
    return "ID" if argument and kinds.get(text) == "Type" else text


def _fields(node: ast.ClassDef, kinds: dict[str, str]) -> Iterator[str]:
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        selected = [
            call
            for call in ast.walk(method)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in {"_select", "execute_sync"}
        ]
        if not selected or method.name == "id":
            continue
        field = next(
            (a.value for a in selected[0].args if isinstance(a, ast.Constant)), "sync"
        )
        annotations = {
            a.arg: a.annotation for a in (*method.args.args, *method.args.kwonlyargs)
        }
        arguments = [
            f"{ast.literal_eval(call.args[0])}: "
            + _type(
                annotations[_variable(call.args[1])],
                kinds,
                argument=True,
                own=node.name,
            )
            for call in ast.walk(method)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "Arg"
        ]
        returned = (
            "ID"
            if field == "sync"
            else _type(method.returns, kinds, argument=False, own=node.name)
        )
        taken = f"({', '.join(arguments)})" if arguments else ""
        yield f"  {field!s}{taken}: {returned}"


def _variable(value: ast.expr) -> str:
    """The parameter in an argument's value, which may be a choice between it and an empty list."""
    return next(node.id for node in ast.walk(value) if isinstance(node, ast.Name))


@functools.cache
def sdl() -> str:
    """The schema in GraphQL's own language."""
    classes = _classes()
    kinds = {name: _base(node) for name, node in classes.items()}
    lines = [
        "interface Node { id: ID! }",
        "interface Exportable { id: ID! }",
        "interface Syncer { id: ID! }",
    ]
    for name, node in classes.items():
        match kinds[name]:
            case "Scalar":
                lines.append(f"scalar {name}")
            case "Enum":
                members = [
                    t.id
                    for a in node.body
                    if isinstance(a, ast.Assign)
                    for t in a.targets
                    if isinstance(t, ast.Name)
                ]
                lines.append(f"enum {name} {{ {' '.join(members)} }}")
            case "Input":
                inputs = [
                    f"{a.target.id}: {_type(a.annotation, kinds, argument=True)}"
                    for a in node.body
                    if isinstance(a, ast.AnnAssign) and isinstance(a.target, ast.Name)
                ]
                lines.append(f"input {name} {{ {', '.join(inputs)} }}")
            case "Type":
                lines.append(
                    "\n".join(
                        [
                            f"type {name} implements Node {{",
                            "  id: ID!",
                            *_fields(node, kinds),
                            "}",
                        ]
                    )
                )
            case "Root":
                root = [
                    field
                    for field in _fields(node, kinds)
                    if not field.strip().startswith("node")
                ]
                lines.append(
                    "\n".join(
                        [
                            "type Query {",
                            "  id: ID!",
                            "  node(id: ID): Node",
                            *root,
                            "}",
                        ]
                    )
                )
            case _:
                continue
    return "\n".join(lines)


@functools.cache
def schema() -> graphql.GraphQLSchema:
    """The schema, checked by graphql-core."""
    return graphql.build_schema(sdl())


@functools.cache
def introspection() -> dict[str, object]:
    """What an endpoint with this schema answers when it is asked what it is."""
    return dict(graphql.introspection_from_schema(schema()))
