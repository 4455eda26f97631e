"""Look through a request, and refuse what must not reach the provider.

A sandbox has no network, and must not get one by a detour: what the provider would
fetch, run or keep is refused. So is what costs more than is reserved for. What
`messages.toml` does not name is collected: whether it passes is a matter of policy.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from aideator.gateway.allowlist import NAME_MAX, allowlist, letters_of
from aideator.gateway.refusal import Refusal
from aideator.gateway.strict_json import DEPTH_MAX, Path, in_words

COUNT_MAX = 2**31 - 1
"""The largest count that every provider takes. A larger one might wrap around."""

UNKNOWN_MAX = 20
"""Unknown names that are collected from one request."""

FIELDS_MAX = 1_000
"""Fields of one object that means something to the API."""

BETAS_MAX = 100
"""Betas of one request; agents send about ten."""

_NOTHING: tuple[object, ...] = (None, [])

Rule = Callable[["RequestInspector", Any, Path, dict[str, Any]], None]
"""Looks at a field: its value, its path, and the object that holds it."""


class RequestInspector:
    """Looks through one request.

    Attributes:
        unknown: What is neither known nor refused, in words.
        models: The models that may answer: the one asked for, then its substitutes.
        long_cached: Whether input may be cached for an hour, which is dearer.
    """

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.models: list[str] = []
        self.long_cached = False
        self._table = allowlist()

    def headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Any]:
        """Yield the headers that pass.

        Raises:
            Refusal: if a beta is refused.
        """
        for name, value in headers:
            if not self._table.headers.knows(name.lower().decode("latin-1")):
                continue
            if name.lower() == b"anthropic-beta":
                self._betas(value.decode("latin-1").split(","), "anthropic-beta")
            yield name, value

    def query(self, query: bytes) -> None:
        """Look at what follows a path.

        Raises:
            Refusal: if it could be read as a field of the body.
        """
        text = query.decode("latin-1").replace(";", "&")  # some split at both
        for name, _ in parse_qsl(text, keep_blank_values=True):
            if self._table.query.knows(name):
                continue
            if letters_of(name) in self._table.guarded:
                raise invalid(f"{_shown(name)} belongs into the body")
            self._note(f"query parameter {_shown(name)}")

    def body(self, body: dict[str, Any]) -> None:
        """Look at a parsed body, at any depth.

        Raises:
            Refusal: with the path of a field that is refused.
        """
        for name in ("messages", "tools"):
            _require_objects(body.get(name) or [], ((), name))
        self._object(body, (), 1)
        fields = self._table.fields
        for name in body:
            if not fields.knows(name) and name not in fields.refused:
                self._note(f"field {_shown(name)}")
        if "model" not in body:
            raise invalid("model is missing")
        if not isinstance(body.get("stream", False), bool):
            raise invalid("stream must be true or false")

    def _note(self, unknown: str) -> None:
        if len(self.unknown) < UNKNOWN_MAX and unknown not in self.unknown:
            self.unknown.append(unknown)

    def _walk(self, value: Any, path: Path, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise invalid(f"the body is more than {DEPTH_MAX} levels deep")
        if isinstance(value, dict):
            self._object(value, path, depth)
        else:
            for index, item in enumerate(value):
                if isinstance(item, dict | list):
                    self._walk(item, (path, index), depth + 1)

    def _object(self, value: dict[str, Any], path: Path, depth: int) -> None:
        if len(value) > FIELDS_MAX:
            raise invalid(
                f"{in_words(path) or 'the body'} has more than {FIELDS_MAX} fields"
            )
        for key, item in value.items():
            rule = self._rule_of(key[:NAME_MAX])
            if rule is not None:
                rule(self, item, (path, key), value)
            if isinstance(item, dict | list):
                look = _bound if self._is_free(key, depth) else self._walk
                look(item, (path, key), depth + 1)

    def _is_free(self, key: str, depth: int) -> bool:
        # Of the top level only `metadata` is the caller's own.
        return key in self._table.free.known and (depth > 1 or key == "metadata")

    def _refused(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        if item not in _NOTHING:
            reason = self._table.fields.refused[path[1]]
            raise invalid(f"{in_words(path)} {reason}; leave it out")

    def _misspelt(self, _item: Any, path: Path, _parent: dict[str, Any]) -> None:
        meant = self._table.guarded.get(letters_of(path[1]), "another name")
        raise invalid(f"{in_words(path)} could be read as {meant}")

    def _value(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        allowed = self._table.values[path[1]]
        if item is None or (isinstance(item, str) and item in allowed):
            return
        raise invalid(
            f"{in_words(path)} may cost more than is reserved; it may be "
            + ", ".join(sorted(allowed))
        )

    def _count(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        # `True` is an int in Python.
        whole = isinstance(item, int) and not isinstance(item, bool)
        if not whole or not 1 <= item <= COUNT_MAX:
            raise invalid(
                f"{in_words(path)} must be a whole number from 1 to {COUNT_MAX}"
            )

    def _content(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        if isinstance(item, dict):
            self._block(item, path)
        elif isinstance(item, list):
            for index, block in enumerate(item):
                if isinstance(block, dict):
                    self._block(block, (path, index))

    def _block(self, block: dict[str, Any], path: Path) -> None:
        kind = block.get("type")
        if kind is not None and not isinstance(kind, str):
            raise invalid(f"{in_words((path, 'type'))} must be a text")
        if kind is None or self._table.blocks.knows(kind):
            return
        if letters_of(kind) in self._table.block_letters:
            raise invalid(f"{in_words((path, 'type'))} is misspelt: {_shown(kind)}")
        if (reason := self._table.blocks.reason_against(kind)) is not None:
            raise invalid(f"{in_words((path, 'type'))}: {_shown(kind)} {reason}")
        self._note(f"content of type {_shown(kind)}")

    def _source(self, item: Any, path: Path, parent: dict[str, Any]) -> None:
        if isinstance(item, str) and parent.get("type") == "search_result":
            return  # a label, which nobody fetches
        if not isinstance(item, dict):
            raise invalid(f"{in_words(path)} must be an object")
        kind = item.get("type")
        if not isinstance(kind, str) or not self._table.sources.knows(kind):
            reason = self._table.sources.reason_against(str(kind))
            raise invalid(
                f"{in_words((path, 'type'))}: {_shown(str(kind))} {reason}; send the "
                "data itself (base64)"
            )

    def _tools(self, item: Any, path: Path, parent: dict[str, Any]) -> None:
        if isinstance(item, list):
            for index, tool in enumerate(item):
                self._tool(tool, (path, index), parent)
        elif item is not None:
            raise invalid(f"{in_words(path)} must be a list")

    def _tool(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        kind = item.get("type") if isinstance(item, dict) else ""
        if kind is None:
            return
        if not isinstance(kind, str) or not self._table.tools.knows(kind):
            reason = self._table.tools.reason_against(str(kind))
            raise invalid(
                f"{in_words((path, 'type'))}: {_shown(str(kind))} {reason}; leave it "
                "out"
            )

    def _model(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        if not isinstance(item, str):
            raise invalid(f"{in_words(path)} must be a text")
        if (reason := self._table.models.reason_against(item)) is not None:
            raise invalid(f"{in_words(path)}: {_shown(item)} {reason}")
        self.models.append(item)

    def _lifetime(self, item: Any, _path: Path, _parent: dict[str, Any]) -> None:
        # Anything else than the usual five minutes is taken for the dearer hour.
        self.long_cached |= item not in ("5m", None)

    def _beta_field(self, item: Any, path: Path, _parent: dict[str, Any]) -> None:
        if not isinstance(item, list) or not all(isinstance(x, str) for x in item):
            raise invalid(f"{in_words(path)} must be a list of texts")
        self._betas(item, in_words(path))

    def _betas(self, names: list[str], place: str) -> None:
        if len(names) > BETAS_MAX:
            raise invalid(f"{place} has more than {BETAS_MAX} entries")
        for name in filter(None, map(str.strip, names)):
            if self._table.betas.knows(name):
                continue
            if (reason := self._table.betas.reason_against(name)) is not None:
                raise invalid(f"{place}: {_shown(name)} {reason}; leave it out")
            self._note(f"beta {_shown(name)}")

    _RULES: ClassVar[dict[str, Rule]] = {
        "anthropic_beta": _beta_field,
        "betas": _beta_field,
        "content": _content,
        "definition": _tool,
        "model": _model,
        "source": _source,
        "system": _content,
        "tool_changes": _content,
        "tools": _tools,
        "ttl": _lifetime,
    }

    @staticmethod
    @lru_cache(maxsize=4096)
    def _rule_of(key: str) -> Rule | None:
        """Return what a field is held to; None if it means nothing here."""
        table = allowlist()
        if key in RequestInspector._RULES:
            return RequestInspector._RULES[key]
        if key in table.fields.refused:
            return RequestInspector._refused
        if key in table.values:
            return RequestInspector._value
        if key in table.counts.known:
            return RequestInspector._count
        if table.guarded.get(letters_of(key), key) != key or "\0" in key:
            return RequestInspector._misspelt
        return None


def invalid(message: str) -> Refusal:
    """Return the refusal of a request that has to be written differently."""
    return Refusal(400, "invalid_request_error", message)


def _require_objects(value: Any, path: Path) -> None:
    if not isinstance(value, list):
        raise invalid(f"{in_words(path)} must be a list")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise invalid(f"{in_words((path, index))} must be an object")


def _bound(value: Any, path: Path, depth: int) -> None:
    """Hold the depth of what is not looked at."""
    if depth > DEPTH_MAX:
        raise invalid(f"{in_words(path)} is more than {DEPTH_MAX} levels deep")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _bound(item, path, depth + 1)


def _shown(name: str) -> str:
    return ascii(name[:60])
