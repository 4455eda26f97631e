"""Registries of npm, pnpm and Yarn.

https://docs.npmjs.com/cli/v11/configuring-npm/npmrc, https://pnpm.io/cli/config and
https://yarnpkg.com/configuration/yarnrc.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from aideator.setup.registries.base import (
    Address,
    Registry,
    address,
    ask,
    basic,
    credentials,
    read_config,
    servers,
)

_NPMRC = "npmrc"


def node_registries() -> list[Registry]:
    """Return the registries of npm, pnpm and Yarn, of those that are installed."""
    printed, _ = ask("npm", "config", "list", "--json")
    config = _json(printed)
    logins = _logins(config)
    found = [_npm(config, logins)]
    for name, registry in (("pnpm", _pnpm()), ("Yarn", _yarn())):
        where = _address(registry, logins)
        if where:
            variables = _YARN_VARIABLES if name == "Yarn" else ()
            found.append(
                Registry(
                    name,
                    servers([where]),
                    dict.fromkeys(variables, where.inside),
                    credentials=credentials([where]),
                )
            )
    return found


_YARN_VARIABLES = ("YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER")
"""Of Yarn 1, and of Yarn 2 and later."""


def _npm(config: Mapping[str, Any], logins: Mapping[str, str]) -> Registry:
    main = _address(str(config.get("registry", "")), logins)
    if main is None:
        return Registry("npm", unknown="npm is not installed on this machine")
    scopes = {
        name: where
        for name, url in config.items()
        if name.endswith(":registry") and (where := _address(str(url), logins))
    }
    found = [main, *scopes.values()]
    variables, files = _npm_told(main, scopes)
    return Registry(
        "npm",
        servers(found),
        variables,
        files,
        credentials(found),
        proxy=str(config.get("https-proxy") or config.get("proxy") or ""),
        certificate=str(config.get("cafile") or ""),
    )


def _npm_told(
    main: Address, scopes: Mapping[str, Address]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables and the files that configure a sandbox's npm."""
    variables = {"npm_config_registry": main.inside}
    if shutil.which("yarn") is None:
        # Its own default is known to Yarn alone, which set-up installs first.
        variables["YARN_NPM_REGISTRY_SERVER"] = main.inside
    if main.inside.startswith("http:"):
        variables["YARN_UNSAFE_HTTP_WHITELIST"] = main.server.rpartition(":")[0]
    if not scopes:
        return variables, {}
    lines = [f"{name}={where.inside}" for name, where in sorted(scopes.items())]
    variables["npm_config_globalconfig"] = f"/workspace/.aideator/{_NPMRC}"
    return variables, {_NPMRC: "\n".join([*lines, ""])}


def _pnpm() -> str:
    return ask("pnpm", "config", "get", "registry")[0]


def _yarn() -> str:
    version = ask("yarn", "--version")[0]
    name = "registry" if version.startswith("1.") else "npmRegistryServer"
    return ask("yarn", "config", "get", name)[0] if version else ""


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _address(url: str, logins: Mapping[str, str]) -> Address | None:
    """Parse a registry's URL; its credentials are those of the longest prefix."""
    where = address(url)
    if where is None or where.authorization:
        return where
    rest = where.url.partition(":")[2].rstrip("/") + "/"
    known = [prefix for prefix in logins if rest.startswith(prefix)]
    if not known:
        return where
    return address(url, authorization=logins[max(known, key=len)])


def _logins(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the credentials in npm's files: `//host/path/` → `Authorization`.

    npm itself does not print them.
    """
    found: dict[str, dict[str, str]] = {}
    for key in ("globalconfig", "userconfig"):
        text = read_config(str(config.get(key, "")))
        for prefix, name, value in re.findall(
            r"^\s*(//[^\s=]+?):(_authToken|_auth|username|_password)\s*=\s*(.*?)\s*$",
            text,
            re.MULTILINE,
        ):
            plain = _expand(value.strip("\"'"))
            found.setdefault(prefix.rstrip("/") + "/", {})[name] = plain
    return dict(_authorizations(found))


def _authorizations(
    found: Mapping[str, Mapping[str, str]],
) -> Iterable[tuple[str, str]]:
    for prefix, login in found.items():
        if login.get("_authToken"):
            yield prefix, f"Bearer {login['_authToken']}"
        elif login.get("_auth"):
            yield prefix, f"Basic {login['_auth']}"
        elif "username" in login and "_password" in login:
            yield prefix, basic(f"{login['username']}:{_decode(login['_password'])}")


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return text


def _expand(value: str) -> str:
    """Replace `${NAME}`, as npm does."""
    return re.sub(r"\$\{(\w+)\}", lambda name: os.environ.get(name[1], ""), value)
