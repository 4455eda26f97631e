"""Registries of Go: module proxies and the checksum database.

https://go.dev/ref/mod#environment-variables.
"""

import json
import re

from aideator.setup.registries.base import (
    Registry,
    address,
    addresses,
    ask,
    credentials,
    servers,
)

_NAMES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE")


def go_registries() -> list[Registry]:
    """Return the module proxies and the checksum database that `go` is set to use."""
    printed, _ = ask("go", "env", "-json", *_NAMES)
    try:
        config = {name: str(value) for name, value in json.loads(printed).items()}
    except ValueError:
        return [Registry("go", unknown="go is not installed on this machine")]
    entries = re.split(r"([,|])", config.get("GOPROXY", ""))
    proxies = addresses(entries)
    inside = [where.inside if (where := address(each)) else each for each in entries]
    database = _checksum_database(config.get("GOSUMDB", ""))
    variables = {name: value for name, value in config.items() if value}
    variables["GOPROXY"] = "".join(inside)
    return [
        Registry(
            "go",
            servers([*proxies, *addresses([database])]),
            variables,
            credentials=credentials(proxies),
            unknown="" if proxies else "go is set to use no module proxy",
        )
    ]


def _checksum_database(setting: str) -> str:
    """Return the URL in GOSUMDB: `name`, `name+key` or `name+key URL`."""
    name, _, url = setting.partition(" ")
    host = name.partition("+")[0]
    return url.strip() or (f"https://{host}" if host not in {"", "off"} else "")
