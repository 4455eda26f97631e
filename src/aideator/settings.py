"""Settings from the environment and `.env`.

Only the facade, the HTTP API, the command line and optional packages read them. The
field names are the variables' names in lower case. `.env.example` is generated from
this file (`python -m aideator.settings`), and `make check` refuses one that is out of
step.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as NotParsed

from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.field_errors import field_message
from aideator.domain.hosts import check_hosts
from aideator.domain.isolation import IsolationPolicy
from aideator.environment import SettingsError, default_home, read_variables

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse_size(value: object) -> object:
    """Turn `512m`, `2g` or `1048576` into bytes; leave the rest to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(
        r"(\d{1,18}(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", value.strip().lower()
    )
    if match is None:
        raise ValueError("give a size such as 512m or 2g")
    return int(float(match[1]) * _UNITS[match[2]])


def _split(value: object) -> object:
    """Accept `a,b` as well as a JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    return [part.strip() for part in value.split(",") if part.strip()]


_ORIGIN = re.compile(r"https?://[a-z0-9_.-]+(:\d{1,5})?")
_CREDENTIAL = re.compile(r"[\x21-\x7e]+:[\x20-\x7e]*|[A-Za-z]+ [\x21-\x7e]+")
"""`user:password`, or a scheme of HTTP authentication and a token."""
PROVIDER_URL = "https://api.anthropic.com"
"""The provider's own address, which needs a key."""

Size = Annotated[int, BeforeValidator(parse_size)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """All settings, each with its default and its meaning."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_name=True,
    )

    # The server
    project_name: str = "AIdeator"
    """The title of the API's documentation."""
    api_v1_prefix: str = "/api/v1"
    """The path below which the API is."""
    aideator_host: str = "127.0.0.1"
    """The address that `aideator serve` listens on. Beyond loopback an API key must
    exist."""
    aideator_port: int = Field(default=8000, ge=0, le=65535)
    """The port that `aideator serve` listens on; 0 takes a free one."""
    api_key_header: str = Field(default="X-API-Key", pattern=r"^[A-Za-z0-9-]+$")
    """The header that carries an API key."""
    allowed_origins: Names = ()
    """Origins of other web pages that may call the API (CORS), separated by commas."""
    allowed_hosts: Names = ()
    """Host names, besides loopback, under which the server may be addressed, separated
    by commas."""
    debug: bool = False
    """Log messages for developers too."""

    server_idle_timeout: float = Field(default=900, gt=0)
    """Seconds after which a server that a command has started ends by itself: no run at
    work, no page open, no request. `aideator serve` ends with Ctrl-C only."""

    # State
    aideator_home: Path = Field(default_factory=default_home)
    """The state directory: database, cached repositories and running workspaces."""
    database_url: str | None = None
    """The SQLAlchemy URL; sqlite+aiosqlite:///AIDEATOR_HOME/aideator.db when absent."""
    database_echo: bool = False
    """Log every SQL statement."""
    redis_url: str | None = None
    """A Redis server. Not used in this version; `aideator doctor` says so."""
    max_cache_size_mb: int = Field(default=10_000, ge=100)
    """Megabytes of cached repositories and environments, above which the least recently
    used are removed."""

    # Runs
    max_variations: int = Field(default=5, ge=1, le=100)
    """The most variations that one run may have."""
    max_prompt_length: int = Field(default=2000, ge=10, le=100_000)
    """The most characters of a prompt."""
    max_parallel_variations: int = Field(default=8, ge=1, le=256)
    """Variations that run at the same time in this process; the others wait in
    turn."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """How often a variation is started again after a crash of the server."""

    # Models
    anthropic_api_key: SecretStr | None = None
    """The key for the Anthropic API; that of `aideator login` when absent. It stays on
    the host; agents never see it."""
    anthropic_base_url: str = Field(default=PROVIDER_URL, pattern=r"^https?://")
    """Where model calls go; without a key, a server of your own that needs none."""

    # Sandboxes
    aideator_sandbox: Literal["auto", "bubblewrap", "dagger"] = "auto"
    """The back end that confines agents and checks; `auto` takes Dagger where an engine
    answers, else bubblewrap."""
    isolation_policy: IsolationPolicy = IsolationPolicy.ANY
    """Which isolation a sandbox must have before anything runs in it: `any`; `closed`
    (no network but the gateway); `enforced` (closed, and the kernel limits memory,
    processors and processes). Each variation's record says which it had. `closed` and
    `enforced` also refuse model requests with fields or betas that the gateway does not
    know; under `any` the verdict names them."""
    agent_container_image: str = "python:3.11-slim"
    """The image of container back ends. Bubblewrap uses the host's /usr instead."""
    agent_memory_limit: Size = Field(default=512 * 2**20, ge=64 * 2**20)
    """Memory of one sandbox, such as 512m."""
    agent_cpu_limit: float = Field(default=0.5, gt=0, le=1024)
    """CPUs of one sandbox. For its first five seconds it may use two."""
    agent_pids_limit: int = Field(default=256, ge=16)
    """Processes and threads of one sandbox."""
    agent_disk_limit: Size = Field(default=2 * 2**30, ge=2**20)
    """Bytes that one variation may write to its workspace, such as 2g."""
    agent_timeout: float = Field(default=1800, gt=0)
    """Seconds of wall-clock time for one turn of an agent."""
    dagger_cli: str = "dagger"
    """The Dagger CLI: a name on PATH, or a path. Not taken from `.env`."""
    dagger_runner_host: str | None = Field(
        default=None, validation_alias="_EXPERIMENTAL_DAGGER_RUNNER_HOST"
    )
    """The Dagger engine, such as tcp://engine.internal:1234; the CLI's own choice when
    absent. Not taken from `.env`."""
    dagger_engine_timeout: float = Field(default=600, gt=0)
    """Seconds within which a container must run, including the start of the engine,
    pulling images and loading the module."""
    dagger_cache_volume: str = "aideator-packages"
    """The engine's cache volume for the platform's own downloads, which no agent sees;
    `none` for none."""
    dagger_workdir: str = Field(default="/workspace", pattern=r"^(/[A-Za-z0-9._-]+)+$")
    """Where the repository is in a container. /workspace leads there as well."""
    dagger_log_output: bool = False
    """Write what the Dagger CLI reports to the log."""
    sandbox_toolchains: Names = ("auto",)
    """Host directories that sandboxes see, read-only, their bin first on PATH;
    separated by commas. `auto`: those of the Go, Java, Node.js and Rust on the
    server's PATH; `none`: none."""

    # Terminals and previews
    max_workbenches: int = Field(default=4, ge=0, le=256)
    """Finished variations that may be open for terminals and previews at the same time,
    each in a sandbox."""
    workbench_idle_timeout: float = Field(default=1800, gt=0)
    """Seconds without input, output or a request to a preview after which such a
    sandbox closes."""
    preview_host: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
    )
    """A name with wildcard DNS (and certificate), such as preview.example.org: previews
    are served at names below it. On loopback, localhost serves."""

    # Set-up
    setup_allowed_hosts: Names = ("auto",)
    """Hosts that set-up may reach; `auto`: those that this machine's package managers
    are set to use, and others if a person allows them; `none`: no host."""
    setup_private_hosts: Names = ()
    """Hosts (host or host:port) of your own network that set-up commands may reach,
    such as mirrors."""
    setup_env: dict[str, str] = {}
    """Variables for set-up, agents and checks as JSON: {"PIP_INDEX_URL": "…"}. All of
    them see it: no secrets."""
    setup_credentials: dict[str, SecretStr] = {}
    """Credentials for mirrors, which sandboxes never see, as JSON:
    {"https://mirror.example.org": "user:password"}."""
    setup_memory_limit: Size = Field(default=2 * 2**30, ge=64 * 2**20)
    """Memory of the sandbox in which set-up runs."""
    setup_cpu_limit: float = Field(default=2, gt=0, le=1024)
    """CPUs of the sandbox in which set-up runs."""
    setup_disk_limit: Size = Field(default=4 * 2**30, ge=2**20)
    """Bytes that one set-up may write, such as 4g."""

    # Repositories
    clone_timeout: float = Field(default=300, gt=0)
    """Seconds in which a commit must have been found and fetched, from the first
    request to the server on; checking it out may take as long again. Not for
    repositories on this machine."""
    max_repo_size_mb: int = Field(default=100, ge=1)
    """Megabytes that a repository's mirror may have, enforced while cloning, and that
    the files of the commit may have together, summed before one is written. A
    repository on this machine may take half of the disk's free room."""
    allowed_git_hosts: Names = (
        "github.com",
        "gitlab.com",
        "bitbucket.org",
        "codeberg.org",
    )
    """Hosts from which repositories may be cloned over https, separated by commas."""
    private_git_hosts: Names = ()
    """Hosts (host or host:port) of your own network from which repositories may be
    cloned, also over http; separated by commas."""
    github_token: SecretStr | None = None
    """A token for github.com: private repositories, publishing. Never written to disk,
    never in a sandbox."""
    git_tokens: dict[str, SecretStr] = {}
    """Tokens for other hosts as JSON: {"git.example.org": "token"}. Publishing needs
    one that may write."""
    git_forges: dict[str, Literal["github", "gitlab", "gitea"]] = {}
    """The kind of forge that opens pull requests on other hosts, as JSON:
    {"git.example.org": "gitlab"}; Forgejo counts as gitea."""

    # Streams
    sse_ping_interval: float = Field(default=30, gt=0)
    """Seconds of silence after which a stream sends a comment."""
    sse_retry_timeout: int = Field(default=3000, ge=0)
    """Milliseconds after which a browser reconnects."""

    @field_validator("database_url")
    @classmethod
    def _sqlite_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite+aiosqlite:///"):
            raise ValueError(
                "this version keeps its data in SQLite: "
                "sqlite+aiosqlite:///path/to/file.db"
            )
        return value

    _check_hosts = field_validator("setup_allowed_hosts")(check_hosts)

    @field_validator("setup_env")
    @classmethod
    def _tells_no_password(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if re.search(r"://[^/\s@]*:[^/\s@]+@", text):
                raise ValueError(
                    f"{name} holds a password, and agents see it: "
                    "SETUP_CREDENTIALS is for that"
                )
        return value

    @field_validator("setup_credentials")
    @classmethod
    def _names_origins(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for origin, secret in value.items():
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin}: give the host alone, "
                    "such as https://mirror.example.org:8443"
                )
            if not _CREDENTIAL.fullmatch(secret.get_secret_value()):
                raise ValueError(
                    f"{origin}: give user:password, or a scheme and a token, "
                    "such as Bearer abc"
                )
        return value

    @field_validator("api_v1_prefix")
    @classmethod
    def _starts_with_a_slash(cls, value: str) -> str:
        if not value.startswith("/") or value.endswith("/"):
            raise ValueError("begin with a slash and end without one, such as /api/v1")
        return value

    @property
    def database(self) -> str:
        """The database URL in force."""
        file = self.aideator_home / "aideator.db"
        return self.database_url or f"sqlite+aiosqlite:///{file}"

    @property
    def is_at_the_provider(self) -> bool:
        """Whether calls go to the provider itself, which needs a key."""
        return self.anthropic_base_url == PROVIDER_URL

    @property
    def has_a_model(self) -> bool:
        """Whether agents have a model, as far as that can be known."""
        return self.anthropic_api_key is not None or not self.is_at_the_provider

    @property
    def tokens(self) -> dict[str, SecretStr]:
        """Host → token for private repositories."""
        github = {"github.com": self.github_token} if self.github_token else {}
        return {**github, **self.git_tokens}

    @property
    def secrets(self) -> list[str]:
        """Values that must not leave in an export."""
        secrets = [*self.tokens.values(), *self.setup_credentials.values()]
        if self.anthropic_api_key is not None:
            secrets.insert(0, self.anthropic_api_key)
        values = [secret.get_secret_value() for secret in secrets]
        return [value for value in values if value]


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises:
        SettingsError: with one line for each wrong variable, naming it.
    """
    read_variables()  # refuses what `.env` may not say
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{str(e['loc'][0]).upper()}: {field_message(e, show_value=False)}"
            for e in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None
    except (NotParsed, RecursionError) as error:
        raise SettingsError(f"a variable is no JSON: {error}") from None


def check_prompt_and_lineup(settings: Settings, prompt: str, variations: int) -> None:
    """Check a submission against the limits that the operator set.

    Raises:
        InvalidInput: naming each field that is out of bounds.
    """
    errors: list[FieldError] = []
    longest, most = settings.max_prompt_length, settings.max_variations
    if len(prompt) > longest:
        message = f"at most {longest} characters; this has {len(prompt)}"
        errors.append(FieldError("prompt", message))
    if variations > most:
        message = f"at most {most} (MAX_VARIATIONS); not {variations}"
        errors.append(FieldError("variations", message))
    if errors:
        raise InvalidInput(fields=errors)


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name.upper()


_OF_THE_START = frozenset({"AIDEATOR_HOME", "AIDEATOR_HOST", "AIDEATOR_PORT", "DEBUG"})
"""Variables in which a command and the server that it uses may differ."""
_BESIDE = ("SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Variables of other programs that decide what a server can reach."""


def setting_names() -> list[str]:
    """Return the variables that a server must share with the commands that use it."""
    names = [variable(name) for name in Settings.model_fields]
    return [name for name in (*names, *_BESIDE) if name not in _OF_THE_START]


def setting_values() -> dict[str, str]:
    """Return those variables with their values; empty where one is not set."""
    found = read_variables()
    return {name: found.get(name, "") for name in setting_names()}


def env_example() -> str:
    """Return the text of `.env.example`: variables with meanings and defaults."""
    lines = [
        "# Every setting of AIdeator. Generated by `python -m aideator.settings`;",
        "# `make check` refuses one that is out of step.",
    ]
    for name, field in Settings.model_fields.items():
        meaning = "\n# ".join((field.description or "").splitlines())
        default = "" if field.default_factory else _written(field.get_default())
        lines += ["", f"# {meaning}", f"#{variable(name)}={default}"]
    return "\n".join(lines) + "\n"


def _written(default: object) -> str:
    """Return a default as a variable would say it; empty for none."""
    if default is None or default == {}:
        return ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "false" if default is False else str(default)


if __name__ == "__main__":
    import sys

    sys.stdout.write(env_example())
