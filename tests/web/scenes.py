"""Finished runs whose comparison is hard to show: a tie, a flood, twelve seats."""

from aideator.domain.check import TestOutcome
from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence
from aideator.domain.run import AgentSpec
from aideator.domain.verdict import Change, TestChange
from aideator.selection.rank import evaluate, rank
from tests.api.stage import Stage
from tests.web.judged import (
    BASE,
    BROKEN,
    FIXED,
    NEW,
    SPLIT,
    Made,
    judged_run,
    patch_of,
    unit,
)

LEFT = FIXED.model_copy(
    update={"change": Change.STILL_FAILING, "after": TestOutcome.FAILED}
)
DOCUMENTED = {"wrap.py": BASE["wrap.py"].replace('"""Wrap text."""', '"""Wrap."""')}
LOOP = BASE | {
    "wrap.py": DOCUMENTED["wrap.py"].replace(
        "return [text]", "return [word for word in text.split()]"
    ),
    "test_more.py": (
        "from wrap import wrap\n\n\ndef test_cut():\n    assert wrap('a b', 1)\n"
    ),
}
LIBRARY = BASE | {
    "wrap.py": DOCUMENTED["wrap.py"].replace(
        "return [text]", "import textwrap\n    return textwrap.wrap(text, width)"
    )
}
BREAKING = BASE | {
    "wrap.py": DOCUMENTED["wrap.py"].replace("return [text]", "return text.split('')")
}
TIE = (
    Made(
        patch_of(BASE, LOOP),
        (unit(Change.FIXED, FIXED, NEW, fixed=1, new=1, still_passing=7),),
    ),
    Made(
        patch_of(BASE, LIBRARY),
        (unit(Change.FIXED, FIXED, fixed=1, still_passing=7),),
    ),
    Made(
        patch_of(BASE, BREAKING),
        (
            unit(
                Change.BROKEN, BROKEN, LEFT, broken=1, still_failing=1, still_passing=6
            ),
        ),
    ),
)
AGREED = CrossTest(
    check="unit",
    test="test_more::test_cut",
    file="test_more.py",
    authors=(1,),
    base=CrossOutcome.PASS,
    outcomes=dict.fromkeys((1, 2, 3), CrossOutcome.PASS),
)
"""A test of variation 1 that every variation passes, so that it decides nothing."""


async def tied_run(stage: Stage) -> str:
    """Two of three variations prove the same in different ways. Returns the id."""
    return await _ranked(stage, TIE, Evidence(cross_tests=(AGREED,)))


async def flooded_run(
    stage: Stage, *, tests: int = 2_000, seats: int = 2, one_message: bool = True
) -> str:
    """All seats but the first break every test that passed. Returns the id."""
    rows = tuple(
        TestChange(
            test=f"tests.test_{n // 50}::test_case_{n}",
            change=Change.BROKEN,
            message="ImportError: cannot import name 'wrap'"
            + ("" if one_message else f" in case {n}"),
        )
        for n in range(tests - 1)
    )
    good = Made(
        patch_of(BASE, SPLIT),
        (unit(Change.FIXED, FIXED, fixed=1, still_passing=tests - 1),),
    )
    bad = Made(
        patch_of(BASE, BREAKING),
        (
            unit(
                Change.BROKEN,
                LEFT,
                *rows,
                broken=tests - 1,
                still_failing=1,
                still_passing=0,
            ),
        ),
    )
    return await _ranked(stage, (good, *[bad] * (seats - 1)), Evidence())


async def twelve_run(stage: Stage) -> str:
    """Twelve seats of one agent, which differ in their model. Returns the id."""
    patch = patch_of(BASE, SPLIT)
    made = tuple(
        Made(
            patch,
            (unit(Change.FIXED, FIXED, fixed=1, still_passing=7),),
            spec=AgentSpec(model=f"claude-opus-5-{n}"),
        )
        for n in range(12)
    )
    return await _ranked(stage, made, Evidence())


async def _ranked(stage: Stage, made: tuple[Made, ...], evidence: Evidence) -> str:
    verdicts = [each.verdict(number) for number, each in enumerate(made, start=1)]
    evidence = evaluate(evidence, verdicts)
    return await judged_run(
        stage, made, evidence=evidence, ranking=rank(verdicts, evidence)
    )
