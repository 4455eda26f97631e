"""Which servers set-up may reach, and what package managers are told about them."""

import asyncio
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.setup.egress import Egress
from aideator.setup.registries.base import Registry, read_config
from aideator.setup.registries.find import Ecosystem, find_registries
from aideator.setup.upstream import upstream_proxy

AUTO, NONE = "auto", "none"
"""Words of SETUP_ALLOWED_HOSTS: this machine's registries; no host at all."""
_CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
)
_VISIBLE = ("/etc/ssl/certs/", "/usr/")
"""Where sandboxes see this machine's certificates."""
_CERTIFICATE_OF = {
    "pip": "PIP_CERT",
    "npm": "NODE_EXTRA_CA_CERTS",
    "cargo": "CARGO_HTTP_CAINFO",
}
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)


@dataclass(frozen=True)
class Network:
    """What one set-up may reach, and how package managers in it are configured."""

    egress: Egress = field(default_factory=Egress)
    registries: tuple[Registry, ...] = ()
    """The registries that were found on this machine."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For set-up, agents and checks. The variables of `tool_paths.py` win."""
    setup_variables: Mapping[str, str] = field(default_factory=dict)
    """For set-up alone."""
    files: Mapping[str, str] = field(default_factory=dict)
    """As in `Registry.files`."""


@dataclass(frozen=True)
class NetworkPolicy:
    """Which hosts set-up may reach: the settings SETUP_ALLOWED_HOSTS and others."""

    hosts: frozenset[str] = frozenset()
    """Hosts that the operator names, as `host` or `host:port`."""
    auto: bool = False
    """Whether this machine's registries are added, and a person may allow further
    hosts."""
    private_hosts: frozenset[str] = frozenset()
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether set-up may reach any host."""
        return self.auto or bool(self.hosts or self.private_hosts)

    async def network(self, needed: Collection[Ecosystem]) -> Network:
        """Return what a set-up may reach that needs these ecosystems.

        With `auto`, this machine's package managers are asked, each time: their
        configuration may have changed.
        """
        own = Egress(
            self.hosts,
            self.private_hosts,
            self.credentials,
            upstream=upstream_proxy(os.environ),
        )
        if not self.auto:
            return Network(own)
        found = await asyncio.to_thread(find_registries, needed)
        return await asyncio.to_thread(_with_registries, own, found)


def _with_registries(own: Egress, found: tuple[Registry, ...]) -> Network:
    proxies = [registry.proxy for registry in found if registry.proxy]
    # A registry is reached whatever its address is: this machine, and no repository,
    # names it, and its own tools go there.
    private = own.private_hosts.union(*(registry.servers for registry in found))
    egress = replace(
        own,
        private_hosts=private,
        credentials={**_merged(each.credentials for each in found), **own.credentials},
        upstream=upstream_proxy(os.environ, *proxies),
    )
    variables, files = _certificates(found)
    return Network(
        egress,
        found,
        _merged(registry.variables for registry in found),
        variables,
        {**_merged(registry.files for registry in found), **files},
    )


def _merged(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for mapping in mappings:
        merged |= mapping
    return merged


def _certificates(
    found: Iterable[Registry],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return variables that name certificates, and files that sandboxes lack."""
    variables, files = {}, {}
    for name, path in _named_certificates(found).items():
        text = "" if path.startswith(_VISIBLE) else "\n".join(_pem(path))
        if text:
            files[f"{name.lower()}.pem"] = f"{text}\n"
            variables[name] = f"/workspace/.aideator/{name.lower()}.pem"
        elif Path(path).is_file():
            variables[name] = path
    return variables, files


def _named_certificates(found: Iterable[Registry]) -> dict[str, str]:
    """Return variable → file, from the environment and from package managers."""
    named = {
        _CERTIFICATE_OF[registry.manager]: registry.certificate
        for registry in found
        if registry.manager in _CERTIFICATE_OF and registry.certificate
    }
    environ = os.environ
    return named | {
        name: environ[name] for name in _CERTIFICATE_VARIABLES if name in environ
    }


def _pem(path: str) -> list[str]:
    """Return the certificates in a file: no key that may stand beside them."""
    return _PEM.findall(read_config(path))


def host_of(server: str) -> str:
    """Return `host:port` as people write it: without the port of https."""
    return server.removesuffix(":443")
