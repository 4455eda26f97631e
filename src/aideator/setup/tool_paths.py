"""Paths and variables that make each language's tools install into the environment.

A sandbox's home is small and is removed with it. Whatever a tool keeps there by default
is redirected below `/workspace/.aideator`, in the environment's layer, by the variable
that the tool itself reads. Set-up, agents and checks have the same variables, so what
set-up installed works offline.
"""

from collections.abc import Collection

FOLDER = ".aideator"
"""Folder in the repository's root that set-up makes; it is never part of a patch."""
_WORKSPACE = "/workspace"
_HERE = f"{_WORKSPACE}/{FOLDER}"
SCRATCH = f"{_HERE}/tmp"
"""TMPDIR during set-up, removed afterwards: a tmpfs would be too small for what
compilers and installers unpack."""
VENV = ".venv"
"""The virtual environment, in the folder where set-up runs, whose programs come first
on PATH, if set-up made it."""

_MAVEN = f"-Dmaven.repo.local={_HERE}/m2"

_INSTALLED = {
    "XDG_CACHE_HOME": f"{_HERE}/cache",
    "PYTHONUSERBASE": f"{_HERE}/python",
    "POETRY_VIRTUALENVS_IN_PROJECT": "true",
    "npm_config_cache": f"{_HERE}/npm-cache",
    "npm_config_prefix": f"{_HERE}/npm",
    "PNPM_HOME": f"{_HERE}/pnpm",
    "YARN_CACHE_FOLDER": f"{_HERE}/yarn-cache",
    "YARN_GLOBAL_FOLDER": f"{_HERE}/yarn",
    "GOPATH": f"{_HERE}/go",
    "GOCACHE": f"{_HERE}/go-build",
    "CARGO_HOME": f"{_HERE}/cargo",
    "MAVEN_OPTS": _MAVEN,
    "GRADLE_USER_HOME": f"{_HERE}/gradle",
    # Otherwise each sandbox would start a daemon and leave it running.
    "GRADLE_OPTS": "-Dorg.gradle.daemon=false",
}
OFFLINE = {
    "UV_OFFLINE": "1",
    "npm_config_offline": "true",
    "pnpm_config_offline": "true",
    "YARN_ENABLE_NETWORK": "0",
    "GOPROXY": "off",
    "CARGO_NET_OFFLINE": "true",
    "MAVEN_ARGS": "--offline",
    # Maven records which repository a file came from, and ignores it offline if that is
    # a mirror that its settings do not name.
    "MAVEN_OPTS": f"{_MAVEN} -Daether.enhancedLocalRepository.trackingFilename=none",
}
"""Variables without network access: a tool that lacks something fails at once instead
of retrying for minutes."""
_SETUP = {
    "TMPDIR": SCRATCH,
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # Debian's Python refuses to install beside the system's packages, which are
    # read-only here anyway.
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "npm_config_update_notifier": "false",
    "CI": "1",
}
_BIN_DIRECTORIES = (
    f"{_HERE}/python/bin",
    f"{_HERE}/npm/bin",
    f"{_HERE}/go/bin",
    f"{_HERE}/cargo/bin",
)


def venv(folder: str) -> str:
    """Return the path of the virtual environment that set-up makes in a folder."""
    return f"{folder}/{VENV}" if folder else VENV


def variables(made: Collection[str], folder: str = "") -> dict[str, str]:
    """Return the environment variables of agents and checks.

    Args:
        made: The paths that set-up added.
        folder: The folder where set-up ran; empty for the root.
    """
    variables = _INSTALLED | OFFLINE
    if venv(folder) in made:
        variables["VIRTUAL_ENV"] = f"{_WORKSPACE}/{venv(folder)}"
    return variables


def bin_directories(made: Collection[str], folder: str = "") -> tuple[str, ...]:
    """Return the directories that come first on PATH.

    Each was made by set-up, so no change can put a program there.

    Args:
        made: The paths that set-up added.
        folder: The folder where set-up ran; empty for the root.
    """
    if venv(folder) in made:
        return (f"{_WORKSPACE}/{venv(folder)}/bin", *_BIN_DIRECTORIES)
    return _BIN_DIRECTORIES


def setup_variables(proxy: str | None) -> dict[str, str]:
    """Return the environment variables of set-up commands.

    Args:
        proxy: The proxy's URL inside the sandbox; None without network access.
    """
    network = OFFLINE if proxy is None else _proxy_variables(proxy)
    return _INSTALLED | _SETUP | network


def _proxy_variables(proxy: str) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    host, _, port = proxy.removeprefix("http://").partition(":")
    java = []
    for scheme in ("http", "https"):
        java += [f"-D{scheme}.proxyHost={host}", f"-D{scheme}.proxyPort={port}"]
    return {
        **dict.fromkeys(names, proxy),
        "NO_PROXY": "localhost",
        "NODE_USE_ENV_PROXY": "1",
        "YARN_HTTP_PROXY": proxy,
        "YARN_HTTPS_PROXY": proxy,
        "JAVA_TOOL_OPTIONS": " ".join(java),
        # Without this, Maven 3.9 uses no proxy.
        "MAVEN_OPTS": f"{_MAVEN} -Daether.connector.http.useSystemProperties=true",
    }
