"""Run the module against a GraphQL endpoint that only records queries.

    python -m tests.dagger.stub

Its schema is that of the installed dagger-io. Every query is validated against it, and
an object's id is the chain of operations that makes it, so that a container which a
function returns can be looked at field by field. A process of its own, because the
module's client is a global of its process.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import graphql

from tests.dagger.double.engine import Chain, decode, encode
from tests.dagger.schema import introspection, schema

CHECKOUT = Path(__file__).parents[2]


class Stub:
    """The endpoint."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while head := (await _head(reader)):
            length = int(head.partition("content-length:")[2].split()[0])
            query = json.loads(await reader.readexactly(length))["query"]
            body = json.dumps({"data": self._resolve(query)}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    def _resolve(self, query: str) -> dict[str, Any]:
        document = graphql.parse(query)
        operation = document.definitions[0]
        assert isinstance(operation, graphql.OperationDefinitionNode)
        if "__schema" in query:
            return dict(introspection())
        wrong = graphql.validate(schema(), document)
        if wrong:
            raise SystemExit(f"an invalid query: {wrong}\n{query}")
        self.asked.append(query)
        return self._below(operation.selection_set, ())

    def _below(
        self, selected: graphql.SelectionSetNode | None, chain: Chain
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for node in selected.selections if selected else ():
            if isinstance(node, graphql.InlineFragmentNode):
                return self._below(node.selection_set, chain)
            assert isinstance(node, graphql.FieldNode)
            arguments = {
                a.name.value: graphql.value_from_ast_untyped(a.value)
                for a in node.arguments
            }
            name = node.name.value
            key = (node.alias or node.name).value
            if name in {"id", "sync"}:
                fields[key] = encode(chain)
            elif node.selection_set is None:
                fields[key] = f"the {name}"
            else:
                below = (
                    decode(arguments["id"])
                    if name == "node"
                    else (*chain, (name, arguments))
                )
                fields[key] = self._below(node.selection_set, below)
        return fields


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        return ""


def opened(value: Any) -> Any:
    """The same, with every id replaced by the chain behind it."""
    if isinstance(value, dict):
        return {name: opened(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [opened(each) for each in value]
    if isinstance(value, str) and value.startswith("W"):
        try:
            return opened(decode(value))
        except ValueError:
            return value
    return value


async def main() -> None:
    """Call a function, or register the module's types, and print the result."""
    os.environ["DAGGER_SESSION_TOKEN"] = "stub"
    sys.path.insert(0, str(CHECKOUT / ".dagger" / "src"))
    stub = Stub()
    server = await asyncio.start_server(stub.answer, "127.0.0.1", 0)
    os.environ["DAGGER_SESSION_PORT"] = str(server.sockets[0].getsockname()[1])

    import dagger
    from aideator_module import Aideator

    module = Aideator.__dagger_module__  # type: ignore[attr-defined]
    async with await dagger.connect():
        if sys.argv[1] == "typedefs":
            result = await module._typedefs()
        else:
            result = await module.get_result(
                "Aideator", {}, sys.argv[1], json.loads(sys.argv[2])
            )
    server.close()
    sys.stdout.write(json.dumps({"result": opened(result), "asked": stub.asked}))


if __name__ == "__main__":
    asyncio.run(main())
