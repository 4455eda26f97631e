"""Who behaves like whom: agreement on what can be compared, and nothing else."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from aideator.domain.ranking import CrossTest
from aideator.domain.verdict import Change, Verdict
from aideator.selection.groups import group
from tests.selection.evidence import BROKEN, FAILING, FIXED, PASSING, cross, verdict


def test_those_that_agree_on_every_test_and_cross_test_form_a_group() -> None:
    verdicts = [
        verdict(1, FIXED),
        verdict(2, FIXED),
        verdict(3, FAILING),
        verdict(4, FIXED),
    ]
    assert group(verdicts, []).groups == ((1, 2, 4), (3,))
    assert group(verdicts, [cross("a", 1, "PFPP")]).groups == ((1, 4), (2,), (3,))
    assert group(verdicts, []).agreement == 0.75


def test_a_test_that_is_not_listed_still_passes() -> None:
    listed = verdict(1, tests={"a": FIXED, "b": BROKEN})
    kept = verdict(2, tests={"a": FIXED, "b": PASSING})
    same = verdict(3, tests={"a": FIXED, "b": PASSING})
    assert group([listed, kept, same], []).groups == ((2, 3), (1,))


def test_what_is_flaky_unstable_new_or_cannot_be_compared_tells_nobody_apart() -> None:
    flaky = [verdict(1, tests={"a": Change.FLAKY}), verdict(2, tests={"a": FIXED})]
    assert group(flaky, []).groups == ((1, 2),)
    fixed = [verdict(1, FIXED), verdict(2, FIXED)]
    assert group(
        fixed, [cross("a", 1, "P-"), cross("b", 1, "PF", stable=False)]
    ).groups == ((1, 2),)
    new = [
        verdict(1, tests={"a": FIXED, "mine": Change.NEW}),
        verdict(2, tests={"a": FIXED}),
    ]
    assert group(new, []).groups == ((1, 2),)


def test_agreement_on_what_the_base_does_as_well_says_nothing() -> None:
    assert group([verdict(1, PASSING), verdict(2, PASSING)], []).agreement is None
    assert group([verdict(1), verdict(2)], []).agreement is None
    assert group([verdict(1, PASSING), verdict(2, BROKEN)], []).agreement == 0.5
    assert group([verdict(1, FIXED), verdict(2, FIXED)], []).agreement == 1
    assert (
        group(
            [verdict(1, PASSING), verdict(2, PASSING)], [cross("a", 1, "PP")]
        ).agreement
        == 1
    )


def test_what_changed_nothing_is_a_group_of_its_own() -> None:
    assert group(
        [verdict(1, PASSING), verdict(2, files=0), verdict(3, files=0)], []
    ).groups == ((2, 3), (1,))


def test_identical_patches_are_told() -> None:
    prints = [
        verdict(n, FIXED, fingerprint=print_)
        for n, print_ in enumerate(("x", "y", "x", "", ""), 1)
    ]
    assert group(prints, []).identical == ((1, 3),)


def test_lint_and_types_make_no_groups() -> None:
    one, two = verdict(1, FIXED), verdict(2, FIXED)
    lint = one.checks[0].model_copy(
        update={"check": "ruff", "kind": "lint", "change": BROKEN}
    )
    assert group(
        [one.model_copy(update={"checks": (*one.checks, lint)}), two], []
    ).groups == ((1, 2),)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(Change)),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.text("PF-", min_size=6, max_size=6), max_size=3),
)
def test_groups_divide_the_variations_whatever_they_did(
    rows: list[dict[str, Change]], marks: list[str]
) -> None:
    verdicts: list[Verdict] = [
        verdict(n, tests=tests) for n, tests in enumerate(rows, 1)
    ]
    tests: list[CrossTest] = [cross(f"t{n}", 1, text) for n, text in enumerate(marks)]
    found = group(verdicts, tests)
    numbers = [v.variation_id for v in verdicts]
    assert sorted(chain.from_iterable(found.groups)) == numbers
    assert found == group(verdicts[::-1], tests[::-1])
    assert found.agreement is None or found.agreement == len(found.groups[0]) / len(
        verdicts
    )
