"""Where the tools of each language keep what they install: in the environment's layer, so that it works offline.

A sandbox's home is small and dies with it. All that a tool keeps there by default is
led below `/workspace/.aideator` by the variable that the tool itself reads; set-up,
agents and checks see the same ones.
"""

from collections.abc import Collection

FOLDER = ".aideator"
"""In the root of the repository; it is made by set-up, and no change ever carries
it."""
_WORKSPACE = "/workspace"
_HERE = f"{_WORKSPACE}/{FOLDER}"
SCRATCH = f"{_HERE}/tmp"
"""For set-up alone, and removed after it: a tmpfs would be too small for what compilers
and installers unpack."""
VENV = ".venv"

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
    # Each sandbox would start a daemon of its own and leave it.
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
    # Maven notes which repository a file came from, and offline passes over one from a
    # mirror that it is not told of.
    "MAVEN_OPTS": f"{_MAVEN} -Daether.enhancedLocalRepository.trackingFilename=none",
}
"""Where nothing can be reached: a tool that lacks something says so at once, instead of
trying for minutes."""
_SET_UP = {
    "TMPDIR": SCRATCH,
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # Debian's Python refuses to install beside the system's packages. Here it cannot
    # reach those.
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "npm_config_update_notifier": "false",
    "CI": "1",
}
_PROGRAMS = (
    f"{_HERE}/python/bin",
    f"{_HERE}/npm/bin",
    f"{_HERE}/go/bin",
    f"{_HERE}/cargo/bin",
)


def variables(made: Collection[str]) -> dict[str, str]:
    """What agents and checks see.

    Args:
        made: The paths that set-up made.
    """
    return {
        **_INSTALLED,
        **OFFLINE,
        **({"VIRTUAL_ENV": f"{_WORKSPACE}/{VENV}"} if VENV in made else {}),
    }


def programs(made: Collection[str]) -> tuple[str, ...]:
    """The directories that come first on PATH.

    Each was made by set-up: no change can put a program there.
    """
    return (*([f"{_WORKSPACE}/{VENV}/bin"] if VENV in made else []), *_PROGRAMS)


def while_installing(proxy: str | None) -> dict[str, str]:
    """What set-up commands see.

    Args:
        proxy: The URL, inside, of the one way out; None if there is none.
    """
    return {**_INSTALLED, **_SET_UP, **(OFFLINE if proxy is None else _through(proxy))}


def _through(proxy: str) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    host, _, port = proxy.removeprefix("http://").partition(":")
    java = [
        f"-D{scheme}.proxy{what}"
        for scheme in ("http", "https")
        for what in (f"Host={host}", f"Port={port}")
    ]
    return {
        **dict.fromkeys(names, proxy),
        "NO_PROXY": "localhost",
        "NODE_USE_ENV_PROXY": "1",
        "YARN_HTTP_PROXY": proxy,
        "YARN_HTTPS_PROXY": proxy,
        "JAVA_TOOL_OPTIONS": " ".join(java),
        "MAVEN_OPTS": f"{_MAVEN} -Daether.connector.http.useSystemProperties=true",  # else Maven 3.9 takes none
    }
