"""The order and the recommendation, which are a pure function of the evidence."""

import random
from collections import Counter
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Opinion,
    Ranking,
    Standing,
)
from aideator.domain.verdict import Change, CheckChange, PatchStats, Verdict
from aideator.selection.rank import evaluate, rank, tied_for_first
from aideator.selection.weights import weigh_cross_tests
from tests.selection.evidence import (
    BROKEN,
    FAILING,
    FIXED,
    MARKS,
    PASSING,
    cross,
    verdict,
    weighed,
)


def test_the_one_that_fixes_and_breaks_nothing_has_high_confidence() -> None:
    ranking = rank(
        [
            verdict(1, FIXED, BROKEN),
            verdict(2, FIXED, PASSING),
            verdict(3, FAILING, PASSING),
        ]
    )
    assert ranking.recommended == 2
    assert ranking.order == (2, 3, 1)
    assert ranking.confidence is Confidence.HIGH
    assert ranking.reasons == (
        "Variation 2 fixes 1 of 1 check that failed on the base and breaks none of 1 "
        "that passed.",
        "Variation 3 fixes fewer (0): it leaves `check 0` failing.",
        "Variation 1 breaks `check 1`, which passed on the base.",
    )
    assert ranking.rule.startswith("High: ")
    assert not ranking.settle


def test_tests_decide_where_they_are_told_apart() -> None:
    some = verdict(1, tests={"test_a": FIXED, "test_b": FAILING, "test_c": PASSING})
    every = verdict(2, tests={"test_a": FIXED, "test_b": FIXED, "test_c": PASSING})
    harm = verdict(3, tests={"test_a": FIXED, "test_b": FIXED, "test_c": BROKEN})
    ranking = rank([some, every, harm])
    assert ranking.order == (2, 1, 3)
    assert ranking.reasons == (
        "Variation 2 fixes 2 of 2 tests that failed on the base and breaks none of 1 "
        "that passed.",
        "Variation 1 fixes fewer (1): it leaves `test_b` failing.",
        "Variation 3 breaks `test_c`, which passed on the base.",
    )
    assert [(s.fixed, s.broken) for s in ranking.standings] == [(2, 0), (1, 0), (2, 1)]


def test_what_breaks_a_check_is_never_recommended_however_much_it_fixes() -> None:
    ranking = rank([verdict(1, FIXED, FIXED, FIXED, BROKEN)])
    assert ranking.recommended is None
    assert ranking.reasons[-1] == "None is good enough to recommend."
    assert ranking.settle == "Ask variation 1 to mend what it breaks; it comes nearest."


def test_breaking_less_comes_before_fixing_more() -> None:
    harmful = verdict(1, FIXED, FIXED, BROKEN, BROKEN)
    useless = verdict(2, FAILING, FAILING, BROKEN, PASSING)
    assert rank([harmful, useless]).order == (2, 1)


def test_what_does_not_build_is_never_recommended() -> None:
    broken = CheckChange(check="cargo build", change=BROKEN, kind="build")
    ranking = rank(
        [
            verdict(1, FIXED).model_copy(
                update={"checks": (*verdict(1, FIXED).checks, broken)}
            )
        ]
    )
    assert ranking.reasons == (
        "Variation 1 does not build (`cargo build`).",
        "None is good enough to recommend.",
    )


def test_lint_and_types_are_shown_and_never_decide() -> None:
    lint = CheckChange(check="ruff", change=BROKEN, kind="lint")
    plain = verdict(1, FIXED)
    untidy = plain.model_copy(update={"checks": (*plain.checks, lint)})
    assert rank([untidy]) == rank([plain])


def test_equals_that_fix_are_said_to_be_equal_and_the_first_is_offered() -> None:
    ranking = rank([verdict(3, FIXED), verdict(2, FIXED), verdict(1, BROKEN)])
    assert (ranking.recommended, ranking.confidence) == (2, Confidence.HIGH)
    assert ranking.reasons[:2] == (
        "Variation 2 fixes 1 of 1 check that failed on the base; 2 of 3 variations "
        "behave alike.",
        "Variations 2 and 3 prove the same; nothing that was run tells them apart.",
    )


def test_the_same_change_made_twice_is_said_to_be_the_same() -> None:
    evidence = Evidence(identical=((1, 2),))
    ranking = rank(
        [verdict(1, FIXED, fingerprint="x"), verdict(2, FIXED, fingerprint="x")],
        evidence,
    )
    assert "Variations 1 and 2 made the same change." in ranking.reasons


def test_a_variation_that_changed_nothing_is_not_recommended() -> None:
    ranking = rank([verdict(1, files=0)])
    assert ranking.recommended is None
    assert "Variation 1 changed nothing." in ranking.reasons
    assert (
        ranking.settle == "Say more exactly what shall change and where, and ask again."
    )


def test_no_variations_means_nothing_to_recommend() -> None:
    assert rank([]).recommended is None


def test_a_flag_stands_in_the_way_until_a_person_lets_it_pass() -> None:
    verdicts = [verdict(1, FIXED, FIXED, flagged=True), verdict(2, FIXED, FAILING)]
    ranking = rank(verdicts)
    assert ranking.recommended == 2
    assert ranking.order == (2, 1)
    assert ranking.standings[1].flagged
    assert ranking.reasons[1] == (
        "Variation 1 fixes 2 of 2 checks that failed on the base, but touches what "
        "proves it (`test_a.py`), "
        "which needs your word."
    )
    assert rank(verdicts, cleared={1}).recommended == 1


def test_the_tests_of_a_flagged_variation_do_not_count_until_it_may_pass() -> None:
    verdicts = [
        verdict(1, PASSING, flagged=True),
        verdict(2, PASSING),
        verdict(3, PASSING),
    ]
    evidence = weighed(
        cross("bent", 1, "PFP"), cross("bent too", 1, "PFP"), cross("fair", 2, "PPF")
    )
    assert rank(verdicts, evidence).order == (2, 3, 1)
    assert rank(verdicts, evidence, cleared={1}).order == (1, 3, 2)


def test_when_all_are_flagged_it_asks_for_a_look() -> None:
    ranking = rank([verdict(1, FIXED, flagged=True)])
    assert ranking.recommended is None
    assert (
        ranking.settle
        == "Look at what is flagged in variation 1; if it is meant so, let it pass."
    )


def test_a_flag_does_not_hide_what_is_broken() -> None:
    (standing,) = rank([verdict(1, BROKEN, flagged=True)], cleared={1}).standings
    assert (standing.gate, standing.flagged) == (
        "breaks `check 0`, which passed on the base",
        False,
    )


def test_cross_tests_tell_apart_what_the_checks_do_not() -> None:
    verdicts = [verdict(n, PASSING) for n in (1, 2, 3)]
    evidence = weighed(cross("a", 1, "PFP"), cross("b", 2, "PPF"), cross("c", 3, "PFP"))
    ranking = rank(verdicts, evidence)
    assert ranking.order[0] == 1
    assert (ranking.recommended, ranking.confidence) == (1, Confidence.MEDIUM)
    assert (
        ranking.reasons[0]
        == "Variation 1 breaks none of 1 that passed and passes 3 of 3 cross-tests."
    )
    assert ranking.standings[0].cross_score == ranking.standings[0].cross_total


def test_what_cannot_be_compared_never_counts_as_failed() -> None:
    verdicts = [verdict(n, PASSING) for n in (1, 2, 3)]
    ranking = rank(
        verdicts, weighed(cross("a", 2, "FP-"), cross("b", 2, "PPP", base="P"))
    )
    assert ranking.order == (2, 3, 1)
    by_id = {s.variation_id: (s.cross_score, s.cross_total) for s in ranking.standings}
    assert by_id == {2: (1, 1), 3: (0, 0), 1: (0, 1)}


def test_near_equals_are_ordered_by_how_many_behave_alike() -> None:
    # 1 passes a little more, alone; 2 and 3 behave alike.
    shared = [cross(f"t{n}", 9, "PPPF") for n in range(9)]
    evidence = weighed(*shared, cross("odd", 1, "PFFF"))
    ranking = rank([verdict(n, PASSING) for n in (1, 2, 3, 4)], evidence)
    assert ranking.order == (2, 3, 1, 4)
    assert (
        "Variation 1 passes about as much, but fewer behave as it does."
        in ranking.reasons
    )


def test_a_judge_orders_equals_and_proves_nothing() -> None:
    opinion = Opinion(model="m", among=(1, 2), preferred=2)
    ranking = rank(
        [verdict(1, PASSING), verdict(2, PASSING)], Evidence(opinion=opinion)
    )
    assert ranking.order == (2, 1)
    assert ranking.recommended is None
    assert (
        "The judge (m) prefers variation 2 among 1 and 2, in both orders; that is an "
        "opinion, not a proof." in (ranking.reasons)
    )
    better = rank([verdict(1, FIXED), verdict(2, FAILING)], Evidence(opinion=opinion))
    assert better.recommended == 1


def test_a_ranking_stored_before_there_was_evidence_is_still_read() -> None:
    old = '{"order":[2,1],"recommended":2,"confidence":"high","reasons":["2 fixed it"]}'
    assert Ranking.model_validate_json(old).recommended == 2


@st.composite
def lineups(draw: st.DrawFn) -> list[Verdict]:
    checks = draw(st.integers(0, 3))
    changes = st.lists(st.sampled_from(Change), min_size=checks, max_size=checks)
    count = draw(st.integers(1, 5))
    return [
        verdict(
            n,
            *draw(changes),
            files=draw(st.integers(0, 2)),
            flagged=draw(st.integers(0, 4)) == 0,
        )
        for n in range(1, count + 1)
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Verdict], list[CrossTest]]:
    verdicts = draw(lineups())
    marks = st.text("PF-", min_size=len(verdicts), max_size=len(verdicts))
    authors = st.integers(1, len(verdicts) + 2)
    tests = [
        cross(f"t{n}", draw(authors), draw(marks))
        for n in range(draw(st.integers(0, 6)))
    ]
    return verdicts, tests


@given(cases())
def test_the_order_of_the_evidence_does_not_matter(
    case: tuple[list[Verdict], list[CrossTest]],
) -> None:
    verdicts, tests = case
    shuffled = random.Random(1).sample(tests, len(tests))
    answers = {
        rank(order, weighed(*tests)).model_dump_json()
        for order in list(permutations(verdicts))[:24]
    }
    assert answers == {rank(verdicts, weighed(*shuffled)).model_dump_json()}


def nameless(ranking: Ranking) -> list[Standing]:
    empty = {"variation_id": 0, "gate": ""}
    return [standing.model_copy(update=empty) for standing in ranking.standings]


@given(cases())
def test_the_numbers_of_the_variations_decide_nothing_but_between_equals(
    case: tuple[list[Verdict], list[CrossTest]],
) -> None:
    verdicts, tests = case
    size = len(verdicts)

    def renamed(number: int) -> int:
        return number if number > size else size + 1 - number

    mirrored = [
        v.model_copy(update={"variation_id": renamed(v.variation_id)}) for v in verdicts
    ]
    turned = [
        t.model_copy(
            update={
                "authors": tuple(renamed(a) for a in t.authors),
                "outcomes": {renamed(n): outcome for n, outcome in t.outcomes.items()},
            }
        )
        for t in tests
    ]
    plain = nameless(rank(verdicts, weighed(*tests)))
    other = nameless(rank(mirrored, weighed(*turned)))
    assert Counter(s.model_dump_json() for s in plain) == Counter(
        s.model_dump_json() for s in other
    )
    # Who could not be asked all cross-tests may equal one that was: of these two the
    # numbers decide, figures and all.
    asked = {"cross_score": 0.0, "cross_total": 0.0}
    assert [s.model_copy(update=asked) for s in plain] == [
        s.model_copy(update=asked) for s in other
    ]


def is_harmless(verdict: Verdict) -> bool:
    return not (verdict.unchanged or verdict.count(BROKEN) or verdict.flags)


@given(cases())
def test_what_is_recommended_is_harmless_and_no_other_fixes_more(
    case: tuple[list[Verdict], list[CrossTest]],
) -> None:
    verdicts, tests = case
    ranking = rank(verdicts, weighed(*tests))
    assert sorted(ranking.order) == [v.variation_id for v in verdicts]
    assert tuple(s.variation_id for s in ranking.standings) == ranking.order
    if ranking.recommended is None:
        assert ranking.confidence is Confidence.OPEN
        assert ranking.settle
        return
    fixed = {v.variation_id: v.count(FIXED) for v in verdicts if is_harmless(v)}
    assert ranking.recommended in fixed
    assert fixed[ranking.recommended] == max(fixed.values())


@given(cases(), st.data())
def test_fixing_one_more_or_breaking_one_less_never_costs_a_place(
    case: tuple[list[Verdict], list[CrossTest]], data: st.DataObject
) -> None:
    verdicts, tests = case
    chosen = data.draw(st.sampled_from(verdicts))
    worse = [
        n for n, check in enumerate(chosen.checks) if check.change in {FAILING, BROKEN}
    ]
    if not worse:
        return
    at = data.draw(st.sampled_from(worse))
    mended = {FAILING: FIXED, BROKEN: PASSING}[chosen.checks[at].change]
    checks = tuple(
        c.model_copy(update={"change": mended}) if n == at else c
        for n, c in enumerate(chosen.checks)
    )
    better = chosen.model_copy(update={"checks": checks})
    before = rank(verdicts, weighed(*tests)).order.index(chosen.variation_id)
    after = rank(
        [better if v is chosen else v for v in verdicts], weighed(*tests)
    ).order.index(chosen.variation_id)
    assert after <= before


def failures(tests: list[CrossTest]) -> list[tuple[CrossTest, int]]:
    found = []
    for test in tests:
        failing = [n for n, mark in test.outcomes.items() if mark is MARKS["F"]]
        found += [(test, number) for number in failing]
    return found


@given(cases(), st.data())
def test_passing_one_more_cross_test_never_lowers_the_score_beside_any_other(
    case: tuple[list[Verdict], list[CrossTest]], data: st.DataObject
) -> None:
    verdicts, tests = case
    failed = failures(tests)
    if not failed:
        return
    test, number = data.draw(st.sampled_from(failed))
    passed = test.model_copy(
        update={"outcomes": {**test.outcomes, number: CrossOutcome.PASS}}
    )
    improved = [passed if t is test else t for t in tests]
    # Where it makes the test count at all, or not any more, other weights of the same
    # author move as well.
    if [t.weight > 0 for t in weigh_cross_tests(improved)] != [
        t.weight > 0 for t in weigh_cross_tests(tests)
    ]:
        return

    def lead(with_: list[CrossTest], other: int) -> float:
        scores = {
            s.variation_id: s.cross_score
            for s in rank(verdicts, weighed(*with_)).standings
        }
        return scores[number] - scores[other]

    if MARKS["-"] in test.outcomes.values():
        return
    for verdict_ in verdicts:
        other = verdict_.variation_id
        assert lead(improved, other) >= lead(tests, other) - 1e-6


@given(lineups(), st.integers(1, 1000))
def test_the_size_of_a_change_never_decides(verdicts: list[Verdict], size: int) -> None:
    grown = [
        v.model_copy(
            update={
                "patch": PatchStats(
                    files=v.patch.files, additions=size * v.variation_id
                )
            }
        )
        for v in verdicts
    ]
    assert rank(grown) == rank(verdicts)


def test_appraising_tells_groups_and_keeps_the_rest() -> None:
    evidence = Evidence(cross_tests=(cross("a", 1, "PF"),), notes=("a note",))
    told = evaluate(
        evidence,
        [verdict(1, FIXED, fingerprint="x"), verdict(2, FIXED, fingerprint="x")],
    )
    assert (told.groups, told.identical, told.agreement, told.notes) == (
        ((1,), (2,)),
        ((1, 2),),
        0.5,
        ("a note",),
    )


def test_equals_are_those_that_a_judge_may_be_asked_about() -> None:
    assert tied_for_first(
        rank([verdict(1, PASSING), verdict(2, PASSING), verdict(3, BROKEN)])
    ) == (1, 2)
    assert tied_for_first(rank([verdict(1, FIXED), verdict(2, PASSING)])) == (1,)
    assert tied_for_first(rank([verdict(1, BROKEN), verdict(2, BROKEN)])) == ()
    assert tied_for_first(rank([])) == ()
