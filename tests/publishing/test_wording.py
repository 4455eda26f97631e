"""Commit messages and pull requests whose text tries to be more than text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from aideator.app.commit_message import commit_message, subject
from aideator.domain.check import Check
from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.run import (
    AgentSpec,
    ComposedPart,
    RunDetails,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    Verdict,
)
from aideator.domain.visible import visible_text
from aideator.publishing.wording import pull_request_body

AGENT = "AIdeator's own agent (claude-opus-5-5)"
RUN = "01a2123d-9ad8-72b4-bc7d-6ffe6e745ce9"


def decided(words: str = "wrap") -> RunDetails:
    """A decided run in which everything that an agent can name is called `words`."""
    row = CheckChange(check=words, change=Change.FIXED, counts={Change.FIXED: 2})
    flag = Flag(
        kind=FlagKind.WEAKENED_TEST,
        path=words,
        message=f"an assertion of {words} is gone",
        excerpt=words,
    )
    verdict = Verdict(
        variation_id=1,
        patch=PatchStats(files=1, additions=2),
        checks=(row,),
        flags=(flag,),
    )
    agent = AgentSpec(model="claude-opus-5-5")
    variations = [
        Variation(
            run_id=RUN,
            number=n,
            spec=agent,
            status=VariationStatus.FINISHED,
            verdict=verdict,
            cleared=words,
        )
        for n in (1, 2)
    ]
    ranking = Ranking(
        order=(1, 2),
        recommended=1,
        confidence=Confidence.HIGH,
        reasons=(f"It fixes {words}.",),
    )
    spec = RunSpec(
        repo_url="https://github.com/user/repo",
        prompt=f"Make it wrap {words}",
        variations=2,
    )
    return RunDetails(
        id=RUN,
        spec=spec,
        status=RunStatus.DECIDED,
        commit="4672a81c561e",
        checks=(Check(command="x", name=words[:80]),),
        ranking=ranking,
        winner=1,
        winner_reason=words,
        variations=tuple(variations),
    )


def outside_code(markdown: str) -> str:
    """The text that a forge would look at for names, issues and commands."""

    def texts(tokens: list[Token]) -> list[str]:
        found = []
        for token in tokens:
            assert token.type not in {"link_open", "image"}, token
            if token.type == "html_inline":
                assert token.content in {"<sub>", "</sub>"}
            elif token.children:
                found += texts(token.children)
            elif token.type == "html_block" or token.type not in {
                "code_inline",
                "code_block",
                "fence",
            }:
                found.append(token.content)
        return found

    return "\n".join(texts(MarkdownIt("commonmark").enable("table").parse(markdown)))


ATTACKS = [
    "@everyone",
    "closes #1",
    "fixes user/repo#12",
    "/close",
    "```\n@everyone\n```",
    "````\n@everyone",
    "` @everyone `",
    "a | b | @everyone",
    "a \\| @everyone",
    "a `\\` | @everyone",
    "<img src=x> @everyone",
    "<!-- @everyone",
    "![x](https://evil.example/x.png)",
    "[x](javascript:x)",
    "https://evil.example/@everyone",
    "line\n\n# @everyone\n\n/approve",
    "\u202e@everyone\u202c \x1b[31m",
    "\U000e0072\U000e006d @every\u200bone",
    "&#64;everyone",
]


@pytest.mark.parametrize("words", ATTACKS)
def test_no_word_of_an_agent_reaches_a_forge_as_more_than_text(words: str) -> None:
    body = pull_request_body(decided(words), 1)
    seen = outside_code(body)
    for sign in (
        "@",
        "#",
        "/close",
        "/approve",
        "evil",
        "javascript",
        "<img",
        "<!--",
        "&",
    ):
        assert sign not in seen, (sign, seen)
    for text in (body, commit_message(decided(words), 1), subject(decided(words))):
        assert visible_text(text) == text


def test_what_nobody_would_see_is_spelled_out_for_a_forge_and_for_git() -> None:
    words = "\U000e0072\U000e006d"
    body, message = (
        pull_request_body(decided(words), 1),
        commit_message(decided(words), 1),
    )
    assert "Make it wrap ⟨U+E0072⟩⟨U+E006D⟩" in body
    assert "| `⟨U+E0072⟩⟨U+E006D⟩` |" in body
    assert message.startswith("Make it wrap ⟨U+E0072⟩⟨U+E006D⟩\n")
    assert "- ⟨U+E0072⟩⟨U+E006D⟩: fixed" in message


@given(st.text(alphabet="`|\\@#<>\n ab", max_size=40))
def test_nothing_gets_out_of_its_code(words: str) -> None:
    seen = outside_code(pull_request_body(decided(words), 1))
    assert "@" not in seen
    assert "#" not in seen


def test_the_evidence_stands_in_a_table_beside_its_rivals() -> None:
    lines = pull_request_body(decided(), 1).splitlines()
    assert "|  | **1** ← this | 2 |" in lines
    assert "| `wrap` | ✅ fixed (tests: 2 fixed) | ✅ fixed (tests: 2 fixed) |" in lines
    assert "It fixes wrap." in lines
    assert any(
        line.startswith(
            "**Variation 1 of 2.** Variation 1 is recommended (high confidence)"
        )
        for line in lines
    )
    assert "wrap: an assertion of wrap is gone" in lines


def test_a_body_is_never_longer_than_a_forge_takes() -> None:
    long = "`" * 79
    counts = dict.fromkeys(Change, 123_456)
    checks = tuple(Check(command="x", name=f"{n:02}{long}"[:80]) for n in range(20))
    rows = tuple(
        CheckChange(check=check.label, change=Change.STILL_FAILING, counts=counts)
        for check in checks
    )
    flags = tuple(
        Flag(kind=FlagKind.SECRET, path=long * 10, message=long) for _ in range(100)
    )
    verdict = Verdict(
        variation_id=1, patch=PatchStats(files=1), checks=rows, flags=flags
    )
    agent = AgentSpec(model="m" * 120)
    variations = tuple(
        Variation(run_id=RUN, number=n, spec=agent, verdict=verdict, cleared=long * 100)
        for n in range(1, 101)
    )
    details = decided(long * 50)
    assert details.ranking
    ranking = details.ranking.model_copy(update={"reasons": (long,) * 1000})
    huge = details.model_copy(
        update={
            "checks": checks,
            "variations": variations,
            "ranking": ranking,
            "winner": 100,
        }
    )
    body = pull_request_body(huge, 100)
    assert 30_000 < len(body) <= 65_536
    assert "**100** ← this" in body


def test_a_commit_says_what_was_asked_and_proven_in_trailers_that_git_reads() -> None:
    message = commit_message(decided(), 1)
    first, *rest = message.splitlines()
    assert first == "Make it wrap wrap"
    assert "- wrap: fixed (tests: 2 fixed)" in rest
    assert rest[-3:] == [
        f"Co-authored-by: {AGENT} <builtin@aideator.invalid>",
        f"AIdeator-Run: {RUN}",
        "AIdeator-Variation: 1 of 2",
    ]
    assert subject(decided(), "x" * 100) == "x" * 71 + "…"


def test_a_composed_change_names_all_who_wrote_it() -> None:
    details = decided()
    parts = (
        ComposedPart(variation_id=1, path="a"),
        ComposedPart(variation_id=2, path="b"),
    )
    composed = Variation(
        run_id=RUN, number=3, spec=AgentSpec(agent="composed"), composed=parts
    )
    other = details.variations[1].model_copy(update={"spec": AgentSpec()})
    mixed = details.model_copy(
        update={"variations": (details.variations[0], other, composed)}
    )
    authors = [
        line
        for line in commit_message(mixed, 3).splitlines()
        if line.startswith("Co-authored-by")
    ]
    assert authors == [
        f"Co-authored-by: {AGENT} <builtin@aideator.invalid>",
        "Co-authored-by: AIdeator's own agent <builtin@aideator.invalid>",
    ]
