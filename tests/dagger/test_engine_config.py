"""The shipped engine configuration: it agrees with the page, and an engine reads it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.dagger.conftest import CHECKOUT

FOLDER = CHECKOUT / "docs" / "how-to" / "dagger-engine"
PAGE = CHECKOUT / "docs" / "how-to" / "dagger.md"


def plugins() -> dict[str, dict[str, Any]]:
    network = json.loads((FOLDER / "agents.conflist").read_text())
    assert network["name"] == "dagger"
    return {plugin["type"]: plugin for plugin in network["plugins"]}


def test_a_containers_interface_has_no_way_out() -> None:
    bridge = plugins()["bridge"]
    assert (bridge["isDefaultGateway"], bridge["ipMasq"]) == (False, False)
    assert (
        bridge["bridge"] == "dagger0"
    )  # where the page drops packets, and the engine's name server listens
    assert "-i dagger0 -j DROP" in PAGE.read_text()


def test_the_engine_is_led_to_the_network() -> None:
    settings = tomllib.loads((FOLDER / "engine.toml").read_text())["worker"]["oci"]
    assert settings["networkMode"] == "cni"
    assert Path(settings["cniConfigPath"]).name == "agents.conflist"
    assert Path(settings["cniConfigPath"]).parent == Path("/etc/dagger")
    assert '/docs/how-to/dagger-engine:/etc/dagger:ro"' in PAGE.read_text()


def test_the_chart_is_led_to_the_same_network() -> None:
    engine = yaml.safe_load((FOLDER / "values.yaml").read_text())["engine"]
    settings = tomllib.loads(engine["config"])["worker"]["oci"]
    (mount,) = engine["volumeMounts"]
    (volume,) = engine["volumes"]
    assert settings["cniConfigPath"] == f"{mount['mountPath']}/agents.conflist"
    assert volume["configMap"]["name"] in PAGE.read_text()
    assert mount["name"] == volume["name"]
    assert engine["resources"]["limits"]
