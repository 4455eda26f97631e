"""Repositories as the settings allow them: which may be named, and their cache."""

from aideator.repositories.cache import RepositoryCache
from aideator.repositories.source import SourcePolicy
from aideator.settings import Settings


def source_policy(
    settings: Settings, *, local: bool, ssh: bool = False
) -> SourcePolicy:
    """Return which repositories may be used.

    Args:
        settings: Allowed and private hosts.
        local: Whether paths on this machine are allowed.
        ssh: Whether ssh may show the identity of the user who runs this.
    """
    return SourcePolicy(
        allowed_hosts=frozenset(settings.allowed_git_hosts),
        private_hosts=frozenset(settings.private_git_hosts),
        allow_local=local,
        allow_ssh=ssh,
    )


def git_tokens(settings: Settings) -> dict[str, str]:
    """Return the access tokens for git hosts, by host."""
    return {host: token.get_secret_value() for host, token in settings.tokens.items()}


def open_cache(settings: Settings) -> RepositoryCache:
    """Return the repository cache of the state directory.

    It allows local paths and ssh: what a caller may name was checked at submission.
    """
    return RepositoryCache(
        settings.aideator_home,
        policy=source_policy(settings, local=True, ssh=True),
        clone_timeout=settings.clone_timeout,
        max_repo_bytes=settings.max_repo_size_mb * 2**20,
        tokens=git_tokens(settings),
        max_cache_bytes=settings.max_cache_size_mb * 2**20,
    )
