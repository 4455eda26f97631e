"""Registries of Maven and Gradle.

https://maven.apache.org/settings.html and
https://docs.gradle.org/current/userguide/init_scripts.html.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import (
    Element,
    ParseError,
    SubElement,
    XMLPullParser,
    tostring,
)

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
    settings = [root for file in _settings_files() if (root := _xml(file)) is not None]
    mirrors = [mirror for root in settings for mirror in root.iter("mirror")]
    # The one that blocks plain http is no server: its address is 0.0.0.0.
    mirrors = [each for each in mirrors if each.findtext("blocked") != "true"]
    urls = [each.findtext("url", "") for each in mirrors]
    urls += [each.findtext("url", "") for root in settings for each in _repositories(root)]
    covered = any(_mirrors_central(each.findtext("mirrorOf", "")) for each in mirrors)
    found = addresses([*urls, *([] if covered else _built_in())])
    return [
        Registry(
            "Maven",
            servers(found),
            files={"~/.m2/settings.xml": _told(mirrors)} if mirrors else {},
            unknown="" if found else "Maven is not installed on this machine",
        )
    ]


def gradle_registries() -> list[Registry]:
    """Return the addresses in the user's own Gradle scripts, and Maven's.

    A build names its repositories itself, most often Maven's own.
    """
    home = Path(os.environ.get("GRADLE_USER_HOME") or "~/.gradle").expanduser()
    scripts = [home / "init.gradle", home / "init.gradle.kts"]
    scripts += sorted(home.glob("init.d/*.gradle*"))
    found = addresses(
        url for script in scripts for url in _URL.findall(read_config(script))
    )
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
    parser = XMLPullParser(["end"])
    try:
        parser.feed(_NAMESPACE.sub("", read_config(file)))
        parser.close()
        ended = [element for _, element in parser.read_events()]
    except (ParseError, ValueError):
        return None
    return ended[-1] if ended else None


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
