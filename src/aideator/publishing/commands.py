"""Command that publishes a winner."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.options import DECIDE, Json, RunId, Server, run_command

if TYPE_CHECKING:
    from aideator.cli.connect import Door
    from aideator.domain.run import PublishRequest

app = typer.Typer()


@app.command(
    rich_help_panel=DECIDE,
    epilog="""
Examples:

- `aideator publish 3f2a91c0`

- `aideator publish 3f2a91c0 --draft --title "Cut words that are longer than the line"`

- `aideator publish 3f2a91c0 --no-pull-request --branch cut-long-words`

It needs a token that may write: GITHUB_TOKEN, or GIT_TOKENS for other hosts. A
repository on this machine gets the branch only. A second time changes nothing, or
completes what was begun.
""",
)
def publish(  # noqa: PLR0913 - each is a documented option
    run_id: RunId,
    *,
    branch: Annotated[
        str, typer.Option(help="Its name below aideator/; RUN-PROMPT when absent.")
    ] = "",
    title: Annotated[
        str,
        typer.Option(
            help="Of the commit and the pull request; the prompt when absent."
        ),
    ] = "",
    pull_request: Annotated[
        bool, typer.Option(help="Open a pull request as well.")
    ] = True,
    draft: Annotated[bool, typer.Option("--draft", help="Open it as a draft.")] = False,
    workflows: Annotated[
        bool,
        typer.Option(
            "--workflows",
            help="Push files that the forge runs by itself, with its secrets.",
        ),
    ] = False,
    json: Json = False,
    server: Server = None,
) -> None:
    """Push the winner as a branch, and open a pull request with the evidence in it."""
    from aideator.cli.submit import read
    from aideator.domain.run import PublishRequest

    options = {
        "branch": branch,
        "title": title,
        "pull_request": pull_request,
        "draft": draft,
        "workflows": workflows,
    }
    run_command(
        lambda door: _publish(door, run_id, read(PublishRequest, options)),
        server=server,
        json=json,
    )


async def _publish(door: "Door", part: str, request: "PublishRequest") -> None:
    from aideator.publishing.client import publish_winner

    async with door.connect() as client:
        made = await publish_winner(client, await client.resolve(part), request)
    if door.json:
        sys.stdout.write(made.model_dump_json() + "\n")
        return
    door.note(f"Branch {made.branch} of {made.remote} is at {made.commit[:12]}.")
    if made.pull_request or made.note:
        door.note(f"Pull request: {made.pull_request or made.note}")
