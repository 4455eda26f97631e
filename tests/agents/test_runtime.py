"""What a Python agent needs of this host."""

import sys
from pathlib import Path

import pytest

from aideator.agents.runtime import compile_packages, python_runtime


def test_everything_that_is_shown_exists_and_has_a_place_of_its_own() -> None:
    runtime = python_runtime()
    assert all(bind.source.is_dir() for bind in runtime.binds)
    targets = [bind.target for bind in runtime.binds]
    assert len(set(targets)) == len(targets)
    assert f"{runtime.source}/aideator" in targets
    assert set(runtime.packages) < set(targets)


def test_bytecode_is_written_where_a_sandbox_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    for name in ("__init__", "deep/__init__", "deep/module"):
        (tmp_path / f"{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    assert compile_packages([tmp_path])
    assert len(list(tmp_path.rglob("*.pyc"))) == 3
    (tmp_path / "deep/module.py").write_text("no python")
    assert compile_packages([tmp_path]), "what is there already is left alone"


def test_bytecode_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "__init__.py").touch()
    (tmp_path / "__pycache__").touch()
    assert not compile_packages([tmp_path])
