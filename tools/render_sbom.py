"""Write the bill of materials that a wheel holds: `aideator.cdx.json`.

    python tools/render_sbom.py

It lists what the locks name: the Python packages that an installation brings, and the
npm packages that are built into the page. A wheel has it in `.dist-info/sboms`
(https://peps.python.org/pep-0770/). The format is CycloneDX 1.6
(https://cyclonedx.org/docs/1.6/json/). It has neither a date nor a random number, so
the same locks always make the same file.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aideator import __version__

ROOT = Path(__file__).parent.parent
SBOM = ROOT / "aideator.cdx.json"
_LOCKED = re.compile(
    r"^(?P<name>[a-z0-9._-]+)(?P<extras>\[[a-z0-9,._-]+\])?==(?P<version>[^\s;\\]+)"
    r"(?: *; *(?P<marker>[^\\\n]*[^\\\s]))?",
    re.MULTILINE,
)
Component = dict[str, Any]


def sbom() -> str:
    """Return the bill of materials as JSON, its components in order."""
    requirements = (ROOT / "requirements.lock").read_text()
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    components = [*python_components(requirements), *npm_components(packages)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component("application", "aideator", __version__)},
        "components": sorted(components, key=lambda each: str(each["bom-ref"])),
    }
    return json.dumps(document, indent=1) + "\n"


def python_components(lock: str) -> Iterator[Component]:
    """Yield the packages of a requirements file, with the condition of each."""
    for found in _LOCKED.finditer(lock):
        component = _component("library", found["name"], found["version"])
        if found["marker"]:
            name, value = "aideator:marker", found["marker"]
            component["properties"] = [{"name": name, "value": value}]
        yield component


def npm_components(packages: dict[str, dict[str, Any]]) -> Iterator[Component]:
    """Yield the packages of an npm lock that end up in the page, each version once."""
    found: dict[tuple[str, str], Component] = {}
    for path, package in packages.items():
        if path == "" or package.get("dev"):
            continue
        name = path.rpartition("node_modules/")[2]
        component = _component("library", name, package["version"], kind="npm")
        algorithm, _, digest = package["integrity"].partition("-")
        content = base64.b64decode(digest).hex()
        hashes = {"alg": algorithm.upper().replace("SHA", "SHA-"), "content": content}
        found[name, package["version"]] = component | {"hashes": [hashes]}
    yield from found.values()


def _component(type_: str, name: str, version: str, *, kind: str = "pypi") -> Component:
    """Return a component, identified by its https://github.com/package-url."""
    purl = f"pkg:{kind}/{quote(name)}@{quote(version)}"
    return {
        "type": type_,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


if __name__ == "__main__":
    SBOM.write_text(sbom())
    sys.stdout.write(f"{SBOM}\n")
