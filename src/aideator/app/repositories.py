"""The facade's questions about repositories, before any run."""

from aideator.app.addresses import locate_address, rewrite_to_ssh
from aideator.app.sources import source_policy
from aideator.domain.project import Location, Project
from aideator.repositories.source import parse_source
from aideator.settings import Settings


class Repositories:
    """What a repository is, and how a run would treat it. A part of the facade."""

    def __init__(self, settings: Settings) -> None:
        """Use these limits, and what they allow."""
        self.settings = settings

    async def locate(self, text: str) -> Location:
        """Return what a text that names a repository means.

        An address as copied from a browser names a ref, a folder, a pull request or an
        issue; anything else means itself.

        Raises:
            InvalidInput: naming `repo_url`, if the host is not allowed.
            RepositoryError: if the host does not say what the address means.
        """
        return await locate_address(self.settings, text)

    async def inspect(
        self,
        repo_url: str,
        ref: str | None = None,
        path: str = "",
        *,
        local: bool = False,
        own: bool = False,
    ) -> Project:
        """Return how a repository would be set up and checked.

        It may be an address as copied from a browser. The repository is fetched;
        nothing in it is executed.

        Raises:
            InvalidInput: naming `repo_url`, if that is not allowed here.
            RepositoryError: if it, or its `.aideator.toml`, cannot be read.
        """
        found = await self.locate(repo_url)
        repo_url, ref, path = found.repo_url, ref or found.ref, path or found.path
        if own:
            repo_url = await rewrite_to_ssh(repo_url)
        parse_source(repo_url, source_policy(self.settings, local=local, ssh=own))
        # Imported late, as in `open_app`: reading does not need it.
        from aideator.app.wiring import inspect  # noqa: PLC0415

        return await inspect(self.settings, repo_url, ref, path, own=own)
