"""The key that `aideator login` keeps: for one server, and for its user alone."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from aideator.domain.errors import Unavailable
from aideator.store import model_key

HERE, ELSEWHERE = "https://api.anthropic.com", "https://elsewhere.example"
KEY = SecretStr("sk-a-key-of-a-test")
KEYRING = '''
"""A keyring in a file, as one of a session is: a back end of the library `keyring`."""
import json, os, pathlib
import keyring.backend

FILE = pathlib.Path(os.environ["KEYRING_OF_A_TEST"])

class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def delete_password(self, service, username):
        kept = self._all()
        del kept[f"{service} {username}"]
        FILE.write_text(json.dumps(kept))
'''


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "keyring_of_a_test.py").write_text(KEYRING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring_of_a_test.Keyring")
    monkeypatch.setenv("KEYRING_OF_A_TEST", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


@pytest.mark.usefixtures("no_keyring")
def test_without_a_keyring_it_is_in_a_file_for_its_user_alone(home: Path) -> None:
    stored = model_key.save(home, HERE, KEY)
    assert not stored.in_keyring
    assert stored == model_key.find(home)
    assert model_key.read(home, HERE) == KEY
    (file,) = (path for path in home.rglob("*") if path.is_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_in_a_keyring_no_file_holds_it(home: Path, keyring_file: Path) -> None:
    stored = model_key.save(home, HERE, KEY)
    assert stored.in_keyring
    assert KEY.get_secret_value() in keyring_file.read_text()
    for path in home.rglob("*"):
        assert path.is_dir() or KEY.get_secret_value() not in path.read_text()
    assert model_key.read(home, HERE) == KEY
    assert model_key.forget(home) == stored
    assert KEY.get_secret_value() not in keyring_file.read_text()
    assert (model_key.find(home), model_key.read(home, HERE)) == (None, None)


def test_a_keyring_that_keeps_nothing_counts_as_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    assert not model_key.save(home, HERE, KEY).in_keyring
    assert model_key.read(home, HERE) == KEY


def test_a_keyring_that_does_not_give_it_out_is_told(
    home: Path, keyring_file: Path
) -> None:
    model_key.save(home, HERE, KEY)
    keyring_file.unlink()
    with pytest.raises(Unavailable, match="does not give it out") as caught:
        model_key.read(home, HERE)
    assert "aideator login" in caught.value.hint


@pytest.mark.usefixtures("no_keyring")
def test_it_is_given_out_for_its_own_server_only(home: Path) -> None:
    model_key.save(home, HERE, KEY)
    assert model_key.read(home, ELSEWHERE) is None
    model_key.save(home, ELSEWHERE, SecretStr("another"))
    assert model_key.read(home, HERE) is None


@pytest.mark.usefixtures("no_keyring")
def test_a_file_that_others_can_read_or_that_is_damaged_is_not_used(home: Path) -> None:
    model_key.save(home, HERE, KEY)
    (file,) = (path for path in home.rglob("*") if path.is_file())
    file.chmod(0o644)
    with pytest.raises(Unavailable, match="by others"):
        model_key.read(home, HERE)
    file.chmod(0o600)
    file.write_text("{}")
    with pytest.raises(Unavailable, match="damaged"):
        model_key.find(home)


def test_a_module_of_that_name_in_the_current_folder_is_not_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring_file: Path
) -> None:
    hostile = tmp_path / "hostile"
    (hostile / "keyring").mkdir(parents=True)
    trace = tmp_path / "ran"
    for name in ("__init__.py", "__main__.py"):
        (hostile / "keyring" / name).write_text(f"open({str(trace)!r}, 'w').close()\n")
    monkeypatch.chdir(hostile)
    assert model_key.save(home, HERE, KEY).in_keyring
    assert not trace.exists()
