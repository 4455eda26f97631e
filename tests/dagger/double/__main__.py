"""The double's command line. See the package's docstring: it is not Dagger."""

import asyncio
import csv
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import graphql

from tests.dagger.double.engine import Chain, Engine, Failed, decode, encode

OWN_FLAGS = {
    "workdir",
    "verbose",
    "quiet",
    "silent",
    "debug",
    "progress",
    "lock",
    "interactive",
    "interactive-command",
    "web",
    "no-exit",
    "auto-apply",
    "x-release",
    "dot-output",
    "dot-focus-field",
    "dot-show-internal",
    "cloud",
    "scale-out",
    "help",
    "mod",
    "no-mod",
    "allow-llm",
    "eager-runtime",
    "output",
    "json",
}
"""The real CLI's own: it takes them for itself wherever they stand (dagger v0.21.8,
cmd/dagger/main.go)."""
OBJECTS = {
    "Directory": "directory",
    "File": "file",
    "Socket": "socket",
    "Secret": "secret",
}


class Runner:
    """One invocation."""

    def __init__(self, argv: list[str], environ: Mapping[str, str]) -> None:
        url = urlsplit(
            environ.get(
                "_EXPERIMENTAL_DAGGER_RUNNER_HOST", "double:///tmp/dagger-double"
            )
        )
        self.options = dict(parse_qsl(url.query))
        self.state = Path(url.path)
        self.engine = Engine(self.state, self.options, environ)
        self.argv = argv

    async def run(self) -> str:
        """Run the command, and return its standard output."""
        words = [word for word in self.argv if not word.startswith("--progress=")]
        if words == ["version"]:
            version = self.options.get("version", "0.21.8")
            return f"dagger v{version} (double://) linux/amd64\n"
        if len(words) == len(self.argv):
            raise Failed("the double wants an explicit --progress")
        await self._fail_as_told(words)
        if words == ["core", "version"]:
            return "v0.21.8"
        command, mod, *rest = words
        root = Path(mod.removeprefix("--mod="))
        sys.path.insert(
            0,
            str(
                root / json.loads((root / "dagger.json").read_text())["source"] / "src"
            ),
        )
        if command == "functions":
            return "".join(
                f"{name}   described\n" for name in sorted(self._functions())
            )
        return await self._call(*rest)

    async def _fail_as_told(self, words: list[str]) -> None:
        fault = self.options.get("fault")
        if fault == "no-engine":
            raise Failed(
                "Error: start engine: Cannot connect to the Docker daemon "
                "at unix:///var/run/docker.sock"
            )
        if fault == "no-module" and words != ["core", "version"]:
            raise Failed(
                "Error: failed to serve module: ModuleLoadError: "
                "No module named 'aideator_module'"
            )
        if fault == "socket" and words[0] == "call":
            raise Failed(
                "Error: rpc error: code = PermissionDenied "
                "desc = host access is disabled"
            )
        if fault == "hang" and words[0] == "call":
            await asyncio.sleep(3600)

    def _functions(self) -> dict[str, Any]:
        os.environ.update(DAGGER_MODULE="aideator", DAGGER_MAIN_OBJECT="Aideator")
        from aideator_module import Aideator

        module: Any = Aideator
        functions = module.__dagger_object_type__.functions
        return {_kebab(name): function for name, function in functions.items() if name}

    async def _call(self, name: str, *rest: str) -> str:
        *flags, then = rest if rest[-1:] == ("stdout",) else (*rest, "")
        function = self._functions().get(name)
        if function is None:
            raise Failed(f'unknown command "{name}" for "dagger call"')
        arguments = self._arguments(function.parameters.values(), flags)
        async with self._answering():
            from aideator_module import Aideator

            module = Aideator.__dagger_module__  # type: ignore[attr-defined]
            result = await module.get_result("Aideator", {}, function.name, arguments)
        if then != "stdout":
            return str(result)
        return await self.engine.stdout(decode(result))

    def _arguments(self, parameters: Any, flags: list[str]) -> dict[str, Any]:
        """What the flags say, as the API takes it."""
        given = _given(flags)
        known = {_kebab(parameter.name): parameter for parameter in parameters}
        for flag in given:
            if flag in OWN_FLAGS:
                raise Failed(f"the CLI takes --{flag} for its own")
            if flag not in known:
                raise Failed(f"unknown flag: --{flag}")
        found = {}
        for flag, parameter in known.items():
            if flag in given:
                found[parameter.name] = self._value(parameter, given[flag])
            elif parameter.default_path:
                found[parameter.name] = self._value(
                    parameter, [str(Path.cwd() / parameter.default_path)]
                )
            elif not parameter.is_optional:
                raise Failed(f'required flag(s) "{flag}" not set')
        return found

    def _value(self, parameter: Any, values: list[str]) -> Any:
        kind = str(parameter.resolved_type)
        for object_name, operation in OBJECTS.items():
            if object_name in kind:
                many = [
                    _address(value, operation, parameter.ignore) for value in values
                ]
                if "list[" in kind:
                    # As the CLI reads list values: quotes are dropped, then CSV.
                    texts = list[str]()
                    for value in values:
                        texts += next(csv.reader([_without_quotes(value)]), [])
                    return [
                        _address(text.strip(), operation, parameter.ignore)
                        for text in texts
                    ]
                return many[-1]
        return int(values[-1]) if parameter.resolved_type is int else values[-1]

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Serve GraphQL, where the module's own client looks for it."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        os.environ.update(
            DAGGER_SESSION_PORT=str(server.sockets[0].getsockname()[1]),
            DAGGER_SESSION_TOKEN="double",
        )
        import dagger

        try:
            async with await dagger.connect():
                yield
        finally:
            server.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split()[0])
                request = json.loads(await reader.readexactly(length))
                try:
                    answer: dict[str, Any] = {
                        "data": await self._resolve(graphql.parse(request["query"]))
                    }
                except Failed as error:
                    answer = {"errors": [{"message": str(error)}]}
                body = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async def _resolve(self, document: graphql.DocumentNode) -> dict[str, Any]:
        operation = document.definitions[0]
        assert isinstance(operation, graphql.OperationDefinitionNode)
        fields = [
            s
            for s in operation.selection_set.selections
            if isinstance(s, graphql.FieldNode)
        ]
        if fields[0].name.value == "__schema":
            return self._schema()
        return {field.name.value: await self._field(field, ()) for field in fields}

    def _schema(self) -> dict[str, Any]:
        """What the API is, from a file: to derive it takes seconds."""
        known = self.state / "schema.json"
        if not known.exists():
            from tests.dagger.schema import introspection

            known.with_suffix(f".{os.getpid()}").write_text(json.dumps(introspection()))
            known.with_suffix(f".{os.getpid()}").rename(known)
        return dict(json.loads(known.read_text()))

    async def _field(self, node: graphql.FieldNode, before: Chain) -> Any:
        arguments = {
            a.name.value: graphql.value_from_ast_untyped(a.value)
            for a in node.arguments
        }
        name = node.name.value
        if name == "node":
            return await self._below(node, decode(arguments["id"]))
        match name:
            case "id" | "sync":
                return encode(before)
            case "stdout":
                return await self.engine.stdout(before)
            case "contents":
                return await self.engine.contents(before)
            case _:
                return await self._below(node, (*before, (name, arguments)))

    async def _below(self, node: graphql.FieldNode, chain: Chain) -> Any:
        selections = list(node.selection_set.selections) if node.selection_set else []
        if len(selections) == 1 and isinstance(
            selections[0], graphql.InlineFragmentNode
        ):
            selections = list(selections[0].selection_set.selections)
        fields = [s for s in selections if isinstance(s, graphql.FieldNode)]
        return {(f.alias or f.name).value: await self._field(f, chain) for f in fields}


def _given(flags: list[str]) -> dict[str, list[str]]:
    """Flag → its values, in order."""
    given: dict[str, list[str]] = {}
    pending = list(flags)
    while pending:
        flag, equals, value = pending.pop(0).partition("=")
        given.setdefault(flag.removeprefix("--"), []).append(
            value if equals else pending.pop(0)
        )
    return given


def _address(value: str, operation: str, ignore: list[str] | None) -> str:
    arguments = {"exclude": ignore} if ignore and operation == "directory" else {}
    return encode((("address", {"value": value}), (operation, arguments)))


def _without_quotes(value: str) -> str:
    return value.translate({ord(quote): None for quote in "\"'`"})


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).replace(
        "_", "-"
    )


async def _die(state: Path) -> None:
    """Wait until a test has the engine die."""
    while not (state / "die").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.05)


async def main() -> int:
    """Carry the command out, unless it is interrupted or the engine dies."""
    runner = Runner(sys.argv[1:], os.environ)
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    work = asyncio.ensure_future(runner.run())
    death = asyncio.ensure_future(_die(runner.state))
    interruption = asyncio.ensure_future(interrupted.wait())
    await asyncio.wait([work, death, interruption], return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
        await asyncio.wait([work])
        if not interrupted.is_set():
            # As the real CLI, it outlives the engine: here, until it is interrupted.
            await interruption
        sys.stderr.write(
            "Error: rpc error: code = Unavailable: EOF\n"
            if death.done()
            else "Canceled.\n"
        )
        return 1 if death.done() else 2
    try:
        sys.stdout.write(work.result())
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
