"""Command: `aideator publish`."""

from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import DECIDE, RunId

app = typer.Typer()


@command(
    app,
    panel=DECIDE,
    epilog="""
Examples:

- `aideator publish 3f2a91c0`

- `aideator publish 3f2a91c0 --draft --title "Cut words that are longer than the line"`

- `aideator publish 3f2a91c0 --no-pull-request --branch cut-long-words`

It needs a token that may write: GITHUB_TOKEN, or GIT_TOKENS for other hosts. A
repository on this machine gets the branch only. Publishing again changes nothing, or
completes what was begun.
""",
)
async def publish(  # noqa: PLR0913 - each is a documented option
    context: CommandContext,
    run_id: RunId,
    *,
    branch: Annotated[
        str, typer.Option(help="Its name below aideator/; RUN-PROMPT when absent.")
    ] = "",
    title: Annotated[
        str,
        typer.Option(
            help="Title of the commit and the pull request; the prompt when absent."
        ),
    ] = "",
    pull_request: Annotated[
        bool, typer.Option(help="Open a pull request as well.")
    ] = True,
    draft: Annotated[
        bool, typer.Option("--draft", help="Open the pull request as a draft.")
    ] = False,
    workflows: Annotated[
        bool,
        typer.Option(
            "--workflows",
            help="Push files that the forge executes by itself, with its secrets.",
        ),
    ] = False,
) -> None:
    """Push the winner as a branch, and open a pull request with the evidence."""
    from aideator.cli.parsing import validate
    from aideator.domain.run import PublishRequest
    from aideator.publishing.client import publish_winner

    fields = {
        "branch": branch,
        "title": title,
        "pull_request": pull_request,
        "draft": draft,
        "workflows": workflows,
    }
    request = validate(PublishRequest, fields)
    async with context.connect() as client:
        found = await client.resolve(run_id)
        made = await publish_winner(client, found, request)
    if context.print_json(made):
        return
    commit = made.commit[:12]
    context.print_line(f"Branch {made.branch} of {made.remote} is at {commit}.")
    if made.pull_request or made.note:
        context.print_line(f"Pull request: {made.pull_request or made.note}")
