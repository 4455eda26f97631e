"""Registries of Cargo: https://doc.rust-lang.org/cargo/reference/config.html."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2

from aideator.setup.registries.base import (
    Registry,
    addresses,
    ask,
    credentials,
    read_config,
    servers,
)

_SECONDS = 5.0
_CLOSED = "http://127.0.0.1:9"
"""The discard port, where no proxy listens."""


def rust_registries() -> list[Registry]:
    """Return the index that Cargo is set to use, and where its files are."""
    config = _config()
    indexes = _replaced(config) or _built_in()
    if not indexes:
        return [Registry("cargo", unknown="cargo is not installed on this machine")]
    found = addresses(url.removeprefix("sparse+") for url in indexes)
    files = addresses(download for url in indexes if (download := _download_url(url)))
    told = _told(config)
    http = config.get("http")
    http = http if isinstance(http, dict) else {}
    return [
        Registry(
            "cargo",
            servers([*found, *files]),
            files={"cargo/config.toml": told} if told else {},
            credentials=credentials(found),
            proxy=str(http.get("proxy", "")),
            certificate=str(http.get("cainfo", "")),
        )
    ]


def _config() -> dict[str, Any]:
    home = os.environ.get("CARGO_HOME") or "~/.cargo"
    text = read_config(f"{home}/config.toml") or read_config(f"{home}/config")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _tables(config: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    tables = config.get(name)
    if not isinstance(tables, dict):
        return {}
    return {key: table for key, table in tables.items() if isinstance(table, dict)}


def _replaced(config: Mapping[str, Any]) -> list[str]:
    """Return the indexes of the configuration, if it replaces Cargo's own."""
    sources = _tables(config, "source")
    registries = [
        str(table["index"])
        for table in _tables(config, "registries").values()
        if "index" in table
    ]
    if not sources:
        return [*_built_in(), *registries] if registries else []
    return [
        str(table["registry"]) for table in sources.values() if "registry" in table
    ] + registries


def _built_in() -> list[str]:
    """Return Cargo's own index, which it names when it cannot be reached."""
    _, errors = ask(
        *("cargo", "info", "--registry", "crates-io", "serde"),
        CARGO_HTTP_PROXY=_CLOSED,
        CARGO_NET_RETRY="0",
        CARGO_NET_OFFLINE="false",
    )
    return [
        url.removesuffix("config.json")
        for url in re.findall(r"`(https://[^`]+/config\.json)`", errors)
    ]


def _download_url(index: str) -> str:
    """Return where an index says that its files are; empty if it cannot be asked.

    https://doc.rust-lang.org/cargo/reference/registry-index.html#index-configuration
    """
    url = index.removeprefix("sparse+").rstrip("/") + "/config.json"
    try:
        answer = httpx2.get(url, timeout=_SECONDS, follow_redirects=False)
        return str(json.loads(answer.content[:10_000]).get("dl", ""))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, AttributeError, OSError):
        return ""


def _told(config: Mapping[str, Any]) -> str:
    """Return the configuration of a sandbox's Cargo: sources, without credentials."""
    lines: list[str] = []
    for kind, names in _TOLD.items():
        for name, table in sorted(_tables(config, kind).items()):
            lines.append(f"[{kind}.{json.dumps(name)}]")
            lines += _entries(table, names)
    return "\n".join([*lines, ""]) if lines else ""


_TOLD = {"source": ("registry", "replace-with"), "registries": ("index",)}


def _entries(table: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [
        f"{name} = {json.dumps(_inside(str(table[name])))}"
        for name in names
        if name in table
    ]


def _inside(text: str) -> str:
    prefix = "sparse+" if text.startswith("sparse+") else ""
    found = addresses([text.removeprefix("sparse+")])
    return prefix + found[0].inside if found else text
