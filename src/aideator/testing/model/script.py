"""Replay a lane over a conversation, to find the turn that is due."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aideator.testing.model.scenario import Choice, Step, Turn, When


@dataclass(frozen=True)
class Round:
    """The state of a conversation before one answer of the model."""

    prompt: str
    """Everything that the user has written so far."""
    result: str = ""
    """Tool results since the last answer, joined by line feeds."""
    failed: bool = False


@dataclass(frozen=True)
class DueTurn:
    """The turn to answer with, its variables filled in, and its number from 0."""

    number: int
    turn: Turn


END = Turn(say="The script ends here: there is nothing left to do.")
"""Turn for requests after the last turn of a lane."""


def due_turn(lane: Sequence[Step], rounds: Sequence[Round]) -> DueTurn:
    """Replay a lane over the rounds of a conversation.

    Args:
        lane: the script.
        rounds: one entry for each answer of the model, and one for the answer that is
            due; at least one.

    Returns:
        The turn that is due.
    """
    pending = deque(lane)
    words: dict[str, str] = {}
    turn = END
    for standing in rounds:
        step = pending.popleft() if pending else END
        while isinstance(step, Choice):
            steps, found = _taken(step, standing)
            words |= found
            pending.extendleft(reversed(steps))
            step = pending.popleft() if pending else END
        turn = step
        if turn.repeat:
            pending.appendleft(turn)
    return DueTurn(len(rounds) - 1, _fill(turn, words))


def _taken(choice: Choice, standing: Round) -> tuple[tuple[Step, ...], dict[str, str]]:
    for branch in choice.choose:
        words = _fits(branch.when, standing)
        if words is not None:
            return branch.turns, words
    return (), {}


def _fits(when: When, standing: Round) -> dict[str, str] | None:
    if when.failed is not None and when.failed != standing.failed:
        return None
    words: dict[str, str] = {}
    for pattern, text in (
        (when.result, standing.result),
        (when.prompt, standing.prompt),
    ):
        if pattern is None:
            continue
        match = re.search(pattern, text, re.MULTILINE)
        if match is None:
            return None
        words |= {name: value or "" for name, value in match.groupdict().items()}
    return words


def _fill(turn: Turn, words: dict[str, str]) -> Turn:
    if not words:
        return turn
    calls = tuple(
        call.model_copy(update={"input": _filled(call.input, words)})
        for call in turn.calls
    )
    return turn.model_copy(
        update={
            "think": _filled(turn.think, words),
            "say": _filled(turn.say, words),
            "calls": calls,
        },
    )


def _filled(value: Any, words: dict[str, str]) -> Any:
    match value:
        case str():
            return re.sub(
                r"\{\{(\w+)\}\}", lambda found: words.get(found[1], found[0]), value
            )
        case dict():
            return {key: _filled(item, words) for key, item in value.items()}
        case list():
            return [_filled(item, words) for item in value]
    return value
