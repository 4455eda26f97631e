"""How much each cross-test counts, and why some do not."""

from aideator.domain.ranking import Evidence
from aideator.selection.rank import evaluate, rank
from aideator.selection.weights import VOTES_PER_AUTHOR, weigh_cross_tests
from tests.selection.evidence import PASSING, cross, verdict, weighed


def test_weights_follow_those_who_pass_and_reasons_say_why_not() -> None:
    tests = weigh_cross_tests(
        [
            cross("two of three", 1, "PPF"),
            cross("one of three", 1, "PFF"),
            cross("all", 1, "PPP"),
            cross("none", 4, "FFF"),
            cross("not its author", 3, "PPF"),
            cross("unstable", 1, "PPF", stable=False),
            cross("only here", 1, "P--"),
        ]
    )
    assert {t.test: (t.weight, t.why_not) for t in tests} == {
        "two of three": (2, ""),
        "one of three": (1, ""),
        "all": (0, "all pass it"),
        "none": (0, "none passes it"),
        "not its author": (0, "it does not pass on the variation that wrote it"),
        "unstable": (0, "it said different things on the same tree"),
        "only here": (0, "it could be run on no other variation"),
    }


def test_nobody_wins_by_writing_many_tests() -> None:
    flood = [cross(f"mine {n}", 1, "PFFF") for n in range(300)]
    honest = [cross(f"{n}", 2 + n % 3, "FPPP") for n in range(12)]
    tests = weigh_cross_tests([*flood, *honest])
    assert sum(t.weight for t in tests if t.authors == (1,)) <= VOTES_PER_AUTHOR + 1e-6
    assert (
        rank(
            [verdict(n, PASSING) for n in (1, 2, 3, 4)], Evidence(cross_tests=tests)
        ).order[0]
        != 1
    )


def test_what_changed_nothing_is_no_attempt_that_passes() -> None:
    verdicts = [verdict(1, PASSING), verdict(2, PASSING), verdict(3, files=0)]
    (both, one) = evaluate(
        weighed(cross("a", 1, "PPF"), cross("b", 1, "PFP")), verdicts
    ).cross_tests
    assert (both.weight, both.why_not) == (0, "all pass it")
    assert one.weight == 1
