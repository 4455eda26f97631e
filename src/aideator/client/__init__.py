"""The HTTP client of a server, for programs: `open_client`.

    from aideator.client import RunSpec, open_client

    with open_client() as client:
        spec = RunSpec(repo_url="/home/me/project", prompt="Fix the date test")
        run = client.submit(spec)
        for batch in client.follow(run.id):
            print(*(entry.kind for entry in batch))
        print(client.get(run.id).ranking)

`open_async_client` is the same for a program with an event loop: its methods are
coroutine functions.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aideator.client.blocking import Client, open_client
    from aideator.client.remote import AsyncClient
    from aideator.client.remote import open_client as open_async_client
    from aideator.domain.run import RunSpec

__all__ = ["AsyncClient", "Client", "RunSpec", "open_async_client", "open_client"]

_SOURCES = {
    "AsyncClient": ("aideator.client.remote", "AsyncClient"),
    "Client": ("aideator.client.blocking", "Client"),
    "RunSpec": ("aideator.domain.run", "RunSpec"),
    "open_async_client": ("aideator.client.remote", "open_client"),
    "open_client": ("aideator.client.blocking", "open_client"),
}


def __getattr__(name: str) -> Any:
    # Not imported above: a command that needs `local.py` only, such as `aideator list`,
    # would take twice as long.
    if name not in _SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _SOURCES[name]
    return getattr(importlib.import_module(module), attribute)
