"""Registries of Maven and Gradle.

https://maven.apache.org/settings.html and
https://docs.gradle.org/current/userguide/init_scripts.html.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import (
    Element,
    SubElement,
    TreeBuilder,
    tostring,
)
from xml.parsers import expat

from aideator.setup.registries.base import (
    Registry,
    addresses,
    read_config,
    servers,
)

_NAMESPACE = re.compile(r"\sxmlns(:\w+)?=\"[^\"]*\"|\sxsi:\w+=\"[^\"]*\"")
_MODEL = "org/apache/maven/model/pom-4.0.0.xml"
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[\w./~%+-]*)?")


def maven_registries() -> list[Registry]:
    """Return the mirrors and repositories of Maven's settings, else its own."""
    roots = [root for root in map(_xml, _settings_files()) if root is not None]
    mirrors = list(chain.from_iterable(map(_mirrors, roots)))
    others = chain.from_iterable(map(_repositories, roots))
    urls = [each.findtext("url", "") for each in chain(mirrors, others)]
    covered = any(_mirrors_central(each.findtext("mirrorOf", "")) for each in mirrors)
    known = addresses([*urls, *([] if covered else _built_in())])
    return [
        Registry(
            "Maven",
            servers(known),
            files={"~/.m2/settings.xml": _told(mirrors)} if mirrors else {},
            unknown="" if known else "Maven is not installed on this machine",
        )
    ]


def _mirrors(root: Element) -> list[Element]:
    # One that blocks plain http is no server: its address is 0.0.0.0.
    found = root.iter("mirror")
    return [each for each in found if each.findtext("blocked") != "true"]


def gradle_registries() -> list[Registry]:
    """Return the addresses in the user's own Gradle scripts, and Maven's.

    A build names its repositories itself, most often Maven's own.
    """
    home = Path(os.environ.get("GRADLE_USER_HOME") or "~/.gradle").expanduser()
    scripts = [home / "init.gradle", home / "init.gradle.kts"]
    scripts += sorted(home.glob("init.d/*.gradle*"))
    text = "\n".join(map(read_config, scripts))
    found = addresses(_URL.findall(text))
    (maven,) = maven_registries()
    known = servers(found) | maven.servers
    return [
        Registry(
            "Gradle",
            known,
            unknown="" if known else "no Gradle of this machine tells its registries",
        )
    ]


def _settings_files() -> list[Path]:
    home = _maven_home()
    files = [Path("~/.m2/settings.xml").expanduser()]
    return [*files, home / "conf" / "settings.xml"] if home else files


def _maven_home() -> Path | None:
    program = shutil.which("mvn")
    return Path(program).resolve().parent.parent if program else None


def _xml(file: Path) -> Element | None:
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    text = _NAMESPACE.sub("", read_config(file))
    try:
        parser.Parse(text, bool(text))
        return builder.close() if text else None
    except (expat.ExpatError, AssertionError):
        return None


def _repositories(root: Element) -> Iterable[Element]:
    yield from root.iter("repository")
    yield from root.iter("pluginRepository")


def _mirrors_central(pattern: str) -> bool:
    names = [name.strip() for name in pattern.split(",")]
    return "!central" not in names and not {"*", "central", "external:*"}.isdisjoint(
        names
    )


def _built_in() -> list[str]:
    """Return the repositories of the model from which every project inherits."""
    home = _maven_home()
    jars = sorted((home / "lib").glob("maven-model-builder*.jar")) if home else []
    for jar in jars:
        try:
            with zipfile.ZipFile(jar) as archive:
                text = archive.read(_MODEL).decode(errors="replace")
        except (OSError, KeyError, zipfile.BadZipFile):
            continue
        return re.findall(r"<url>\s*(.*?)\s*</url>", text)
    return []


def _told(mirrors: Iterable[Element]) -> str:
    """Return the settings of a sandbox's Maven: mirrors, without credentials."""
    root = Element("settings")
    listed = SubElement(root, "mirrors")
    for mirror in mirrors:
        told = SubElement(listed, "mirror")
        for name in ("id", "url", "mirrorOf"):
            SubElement(told, name).text = mirror.findtext(name, "").strip()
    return tostring(root, encoding="unicode")
