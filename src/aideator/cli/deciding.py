"""Commands that change what becomes of a run."""

import sys
from pathlib import Path

from aideator.cli.connect import Door
from aideator.cli.reading import best_of
from aideator.cli.submit import need_a_model
from aideator.cli.watching import choose_output, exit_code, show, watch
from aideator.domain.run import RunDetails
from aideator.workspace.branch import apply_to_checkout


async def select_winner(door: Door, part: str, number: int, *, reason: str) -> None:
    """Keep a variation as the winner."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        details = await client.select(run_id, number, reason)
    if door.json:
        sys.stdout.write(details.model_dump_json() + "\n")
        return
    door.note(f"Variation {number} is the winner of run {run_id[-8:]}.")
    door.note(f"next: aideator apply {run_id[-8:]}", style="dim")


async def apply_change(door: Door, part: str, number: int | None, *, repo: Path, branch: str | None) -> None:
    """Commit a variation's change on a new branch of the user's checkout."""
    async with door.connect() as client:
        run_id = await client.resolve(part)
        chosen = number or await best_of(client, run_id)
        details, patch = await client.get(run_id), await client.patch(run_id, chosen)
    name = branch or f"aideator/{run_id[-8:]}-{chosen}"
    message = commit_message(details, chosen)
    commit = await apply_to_checkout(repo, base=details.commit or "", patch=patch, branch=name, message=message)
    door.note(f"Branch {name} at {commit[:12]} has the change of variation {chosen}.")


def commit_message(details: RunDetails, number: int) -> str:
    """What was asked, what was proven, and by whom it was made."""
    seat = details.variations[number - 1].seat
    subject = " ".join(details.spec.prompt.split())
    proven = "\n".join(f"- {reason}" for reason in (details.ranking.reasons if details.ranking else ()))
    made_by = " ".join(part for part in (seat.agent, seat.model) if part)
    return (
        f"{subject if len(subject) <= 72 else subject[:71] + '…'}\n\n"
        f"{proven}\n\n"
        f"AIdeator-Run: {details.id}\nAIdeator-Variation: {number} ({made_by})\n"
    )


async def follow_up(door: Door, part: str, number: int, text: str) -> int:
    """Give one variation a follow-up turn, and watch it."""
    if door.url() is None:
        need_a_model(door.settings)
    async with door.connect(work=True) as client:
        run_id = await client.resolve(part)
        await client.prompt(run_id, number, text)
        details = await watch(client, run_id, door.console, choose_output(door.console, json=door.json))
        if not door.json:
            show(door.console, details)
        return exit_code(details)


async def cancel_run(door: Door, part: str, number: int | None) -> None:
    """Stop a run or one of its variations."""
    async with door.connect(work=True) as client:
        details = await client.cancel(await client.resolve(part), number)
    door.note(f"run {details.id[-8:]} is {details.status}")
