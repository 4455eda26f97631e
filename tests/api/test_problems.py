"""An error is read by people, whoever worded it."""

import json

from aideator.api.problems import problem
from aideator.domain.errors import FieldError

TAGS = "\U000e0072\U000e006d"
SPELLED_OUT = "⟨U+E0072⟩⟨U+E006D⟩"


def test_what_nobody_would_see_is_spelled_out_in_a_problem() -> None:
    answer = problem(422, TAGS, hint=TAGS, errors=[FieldError(TAGS, f"{TAGS}\x1b[2J")])
    document = json.loads(bytes(answer.body))
    assert (document["detail"], document["hint"]) == (SPELLED_OUT, SPELLED_OUT)
    wrong = {"field": SPELLED_OUT, "message": f"{SPELLED_OUT}⟨U+001B⟩[2J"}
    assert document["errors"] == [wrong]
