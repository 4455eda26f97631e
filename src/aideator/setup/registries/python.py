"""Registries of pip and uv.

https://pip.pypa.io/en/stable/topics/configuration/ and
https://docs.astral.sh/uv/reference/settings/.
"""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Sequence
from typing import Any

from aideator.setup.registries.base import (
    Address,
    Registry,
    addresses,
    ask,
    credentials,
    read_config,
    servers,
)

_PYTHONS = ("python3", "/usr/bin/python3", sys.executable)
_BUILT_IN = """
import glob, os, sys
try:
    import pip
except ImportError:
    import ensurepip
    own = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")
    sys.path += glob.glob(own) + glob.glob("/usr/share/python-wheels/pip-*.whl")
from pip._internal.models.index import PyPI
print(PyPI.simple_url, "https://" + PyPI.file_storage_domain)
"""
"""Prints where pip goes without any configuration, and where the files are."""


def python_registries() -> list[Registry]:
    """Return the registries of pip and uv.

    Other installers (Poetry, PDM) use pip's default without configuration.
    """
    config = _pip_config()
    index = config.get("index-url", "")
    extra = config.get("extra-index-url", "").split()
    main, further = addresses(index.split()), addresses(extra)
    links = addresses(config.get("find-links", "").split())
    built_in = [] if main else addresses(_built_in())
    found = [*main, *built_in, *further, *links]
    variables = _joined(
        PIP_INDEX_URL=main, PIP_EXTRA_INDEX_URL=further, PIP_FIND_LINKS=links
    )
    trusted = config.get("trusted-host", "").split()
    trusted += [each.server.rpartition(":")[0] for each in found if each.authorization]
    if trusted:
        variables["PIP_TRUSTED_HOST"] = " ".join(dict.fromkeys(trusted))
    pip = Registry(
        "pip",
        servers(found),
        variables,
        credentials=credentials(found),
        proxy=config.get("proxy", ""),
        certificate=config.get("cert", ""),
        unknown="" if found else "no pip of this machine tells where its registry is",
    )
    uv = _uv(main, further)
    return [pip, uv] if uv.variables else [pip]


def _joined(**lists: Sequence[Address]) -> dict[str, str]:
    """Return variables that list addresses, as a sandbox is told them."""
    return {
        name: " ".join(each.inside for each in found)
        for name, found in lists.items()
        if found
    }


def _pip_config() -> dict[str, str]:
    """Return pip's settings for `pip install`, whatever file or variable sets them."""
    lines = ""
    for python in _PYTHONS:
        lines, _ = ask(python, "-m", "pip", "config", "list")
        if lines:
            break
    config: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # the last one wins
        pattern = rf"^{re.escape(section)}\.([\w-]+)=(.*)$"
        for name, value in re.findall(pattern, lines, re.MULTILINE):
            config[name] = _unquote(value)
    return config


def _unquote(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _built_in() -> list[str]:
    for python in _PYTHONS:
        printed, _ = ask(python, "-c", _BUILT_IN)
        if printed:
            return printed.split()
    return []


def _uv(pip_main: Sequence[Address], pip_further: Sequence[Address]) -> Registry:
    """Return uv's registries: its own, else those that pip is set to use."""
    main, further = map(addresses, _uv_indexes())
    if not main and not further:
        main, further = list(pip_main), list(pip_further)
    found = [*main, *further]
    return Registry(
        "uv",
        servers(found),
        _joined(UV_DEFAULT_INDEX=main, UV_INDEX=further),
        credentials=credentials(found),
    )


def _uv_indexes() -> tuple[list[str], list[str]]:
    """Return uv's default index, if one is set, and further ones."""
    env = os.environ
    main = env.get("UV_DEFAULT_INDEX", env.get("UV_INDEX_URL", ""))
    further = f"{env.get('UV_INDEX', '')} {env.get('UV_EXTRA_INDEX_URL', '')}".split()
    folder = env.get("XDG_CONFIG_HOME") or "~/.config"
    files = [env.get("UV_CONFIG_FILE") or f"{folder}/uv/uv.toml", "/etc/uv/uv.toml"]
    for file in files:
        own_main, own_further = _indexes(_toml(read_config(file)))
        main = main or own_main
        further += own_further
    # `name=URL` gives an index a name.
    further = [re.sub(r"^[\w.-]+=", "", url) for url in further]
    return ([main] if main else []), further


def _indexes(config: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the default index of uv.toml, empty if it has none, and further ones."""
    tables = [each for each in config.get("index", []) if isinstance(each, dict)]
    further = list(map(str, config.get("extra-index-url", [])))
    further += [str(each.get("url")) for each in tables if not each.get("default")]
    return str(config.get("index-url", "")) or _default_index(tables), further


def _default_index(tables: Sequence[dict[str, Any]]) -> str:
    return next((str(each.get("url")) for each in tables if each.get("default")), "")


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
