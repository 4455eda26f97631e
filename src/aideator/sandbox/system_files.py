"""Variables and files below /etc that test suites look for in every sandbox.

They say what a CI job's machine says, and nothing of this host: `CI` switches watchers
and prompts off, the names of protocols and services are those of every Linux, and the
machine-id is a fixed one of our own, so that a test that prints it does so alike in
every sandbox.
"""

from collections.abc import Mapping
from pathlib import Path

COMMON_ENV: Mapping[str, str] = {
    "HOME": "/home/agent",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "TMPDIR": "/tmp",
    "CI": "true",
}
"""The environment of every process in a sandbox, beside its PATH."""
ETC = Path(__file__).with_name("etc")
"""Files to show below /etc where the system has none; machine-id always."""
