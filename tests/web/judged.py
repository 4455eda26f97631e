"""A finished run, written by the test: every kind of evidence and agents' output."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uuid_utils

from aideator.domain.check import Check, CheckResult, TestOutcome
from aideator.domain.events import (
    CheckRun,
    Complete,
    RunStarted,
    VariationFinished,
    VariationStarted,
    VerdictReached,
)
from aideator.domain.isolation import Isolation
from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Ranking,
    Standing,
)
from aideator.domain.run import (
    AgentSpec,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    TestChange,
    Verdict,
)
from aideator.eventlog.base import Draft
from aideator.store import claims, runs
from tests.api.stage import Stage
from tests.conftest import GIT_ENV

ISOLATION = Isolation(
    backend="bubblewrap", network="gateway only", limits={"memory": "cgroup v2"}
)
BASE = {
    "wrap.py": (
        '"""Wrap text."""\n\n\ndef wrap(text, width):\n    return '
        "[text]\n\n\ndef quote(text):\n"
    )
    + "    lines = text.split()\n    # a long way\n" * 6
    + "    return lines\n",
    "test_wrap.py": (
        "from wrap import wrap\n\n\ndef test_wrap():\n    assert wrap('a "
        "b', 1) == ['a', 'b']\n"
    ),
}
SPLIT = BASE | {
    "wrap.py": BASE["wrap.py"].replace("return [text]", "return text.split()")
}
CHEAT = BASE | {
    "test_wrap.py": BASE["test_wrap.py"].replace(
        "assert wrap('a b', 1) == ['a', 'b']", "assert True"
    )
}
CAREFUL = BASE | {
    "wrap.py": BASE["wrap.py"]
    .replace("return [text]", "return [w[:width] for w in text.split()]", 1)
    .replace("    return lines\n", "    return list(lines)\n"),
    "test_more.py": (
        "from wrap import wrap\n\n\ndef test_cut():\n    assert "
        "wrap('abc', 2) == ['ab']\n"
    ),
}


def patch_of(before: Mapping[str, str], after: Mapping[str, str]) -> bytes:
    """What git says is between two trees."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)

        def git(*arguments: str) -> bytes:
            return subprocess.run(
                ["git", *arguments],
                cwd=root,
                env=GIT_ENV,
                check=True,
                capture_output=True,
            ).stdout

        git("init", "-q")
        for tree in (before, after):
            for old in (path for path in root.iterdir() if path.name != ".git"):
                subprocess.run(["rm", "-rf", "--", old], check=True)
            for name, text in tree.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, newline="")
            git("add", "-A", "-f")
            if tree is before:
                git("commit", "-q", "--allow-empty", "-m", "base")
        return git("diff", "--cached", "--binary", "--no-renames", "--full-index")


@dataclass(frozen=True)
class Made:
    """What one variation did, and what was found out about it."""

    patch: bytes
    checks: tuple[CheckChange, ...]
    flags: tuple[Flag, ...] = ()
    spec: AgentSpec = field(default_factory=AgentSpec)
    output: str = "1 passed"

    def verdict(self, number: int) -> Verdict:
        return Verdict(
            variation_id=number,
            patch=PatchStats(files=1, additions=2, deletions=1),
            checks=self.checks,
            flags=self.flags,
            seconds=1.5,
        )


def unit(change: Change, *tests: TestChange, **counts: int) -> CheckChange:
    """A row of the check `unit`."""
    told = {Change(name): number for name, number in counts.items()}
    return CheckChange(check="unit", change=change, tests=tests, counts=told)


FIXED = TestChange(
    test="test_wrap::test_wrap",
    change=Change.FIXED,
    before=TestOutcome.FAILED,
    after=TestOutcome.PASSED,
)
BROKEN = TestChange(
    test="test_quote::test_quote",
    change=Change.BROKEN,
    before=TestOutcome.PASSED,
    after=TestOutcome.FAILED,
    message="AssertionError: 'a' != 'b'",
)
NEW = TestChange(
    test="test_more::test_cut", change=Change.NEW, after=TestOutcome.PASSED
)
GONE = TestChange(
    test="test_wrap::test_wrap", change=Change.GONE, before=TestOutcome.FAILED
)

FIVE = (
    Made(patch_of(BASE, SPLIT), (unit(Change.FIXED, FIXED, fixed=1, still_passing=9),)),
    Made(patch_of(BASE, SPLIT), (unit(Change.FIXED, FIXED, fixed=1, still_passing=9),)),
    Made(
        patch_of(BASE, CAREFUL),
        (unit(Change.FIXED, FIXED, NEW, fixed=1, new=1, still_passing=9),),
        spec=AgentSpec(model="claude-opus-5-5", instructions="Write the test first."),
    ),
    Made(
        patch_of(BASE, SPLIT),
        (unit(Change.BROKEN, FIXED, BROKEN, fixed=1, broken=1, still_passing=8),),
    ),
    Made(
        patch_of(BASE, CHEAT),
        (unit(Change.FIXED, GONE, gone=1, still_passing=9),),
        flags=(
            Flag(
                kind=FlagKind.WEAKENED_TEST,
                path="test_wrap.py",
                hunk=0,
                message="An assertion of `test_wrap` was replaced by `assert True`.",
            ),
        ),
    ),
)
EVIDENCE = Evidence(
    cross_tests=(
        CrossTest(
            check="unit",
            test="test_more::test_cut",
            file="test_more.py",
            authors=(3,),
            base=CrossOutcome.FAIL,
            outcomes={
                1: CrossOutcome.FAIL,
                2: CrossOutcome.FAIL,
                3: CrossOutcome.PASS,
                4: CrossOutcome.PASS,
                5: CrossOutcome.NOT_COMPARABLE,
            },
            weight=0.8,
            messages={1: "AssertionError: ['abc'] != ['ab']"},
        ),
    ),
    groups=((1, 2), (3,), (4,), (5,)),
    identical=((1, 2),),
    agreement=0.4,
)
RANKING = Ranking(
    order=(3, 1, 2, 4, 5),
    recommended=3,
    confidence=Confidence.MEDIUM,
    reasons=(
        "Variation 3 fixes 1 test that failed on the base, breaks none, and passes 1 "
        "of 1 cross-tests.",
        "Variations 1 and 2 are the same patch; they fail `test_cut` of variation 3.",
        "Variation 4 breaks `test_quote`, which passed on the base.",
    ),
    rule="Medium: the recommended variation leads by cross-tests alone.",
    standings=(
        Standing(variation_id=3, fixed=1, cross_score=0.8, cross_total=0.8),
        Standing(variation_id=1, fixed=1, cross_total=0.8),
        Standing(variation_id=2, fixed=1, cross_total=0.8),
        Standing(variation_id=4, broken=1, gate="it breaks `test_quote`"),
        Standing(variation_id=5, gate="an assertion was weakened", flagged=True),
    ),
)


async def judged_run(
    stage: Stage,
    made: Sequence[Made] = FIVE,
    *,
    evidence: Evidence = EVIDENCE,
    ranking: Ranking = RANKING,
    prompt: str = "Cut words that are longer than the line",
) -> str:
    """A finished run with these variations. Returns its id."""
    run_id = str(uuid_utils.uuid7())
    checks = (Check(name="unit", command="python3 -m pytest -q"),)
    spec = RunSpec(
        repo_url="https://github.com/user/repo",
        prompt=prompt,
        lineup=tuple(each.spec for each in made),
        checks=checks,
    )
    agents = [
        Variation(run_id=run_id, number=n, spec=each.spec)
        for n, each in enumerate(made, start=1)
    ]
    async with stage.database.write() as session:
        run = Run(
            id=run_id,
            spec=spec,
            commit="4672a81c561e1b71",
            checks=checks,
            evidence=evidence,
            ranking=ranking,
        )
        await runs.add(session, run, agents)
        await runs.move(session, run_id, RunStatus.RUNNING)
        for number, each in enumerate(made, start=1):
            attempt = await claims.claim(session, run_id, number)
            await claims.record_usage(
                session,
                run_id,
                number,
                attempt,
                Usage(requests=3, input_tokens=900 * number),
            )
            done = VariationStatus.FINISHED
            verdict = each.verdict(number)
            await claims.finish(
                session,
                run_id,
                number,
                attempt,
                done,
                verdict=verdict,
                patch=each.patch,
            )
        await runs.move(session, run_id, RunStatus.FINISHED)
    await _tell(stage, run_id, made, spec, ranking)
    return run_id


async def _tell(
    stage: Stage, run_id: str, made: Sequence[Made], spec: RunSpec, ranking: Ranking
) -> None:
    begun = RunStarted(
        repo_url=spec.repo_url,
        commit="4672a81c561e1b71",
        prompt=spec.prompt,
        variations=len(made),
        checks=(),
    )
    base = CheckRun(
        result=CheckResult(
            check="unit", exit_code=1, seconds=0.4, output="1 failed on the base"
        )
    )
    await stage.log.append(run_id, [Draft(begun), Draft(base)])
    for number, each in enumerate(made, start=1):
        result = CheckResult(check="unit", exit_code=0, seconds=0.4, output=each.output)
        bodies = (
            VariationStarted(spec=each.spec, attempt=1),
            CheckRun(result=result),
            VariationFinished(verdict=each.verdict(number), isolation=ISOLATION),
        )
        await stage.log.append(
            run_id, [Draft(body) for body in bodies], variation_id=number
        )
    await stage.log.append(
        run_id,
        [
            Draft(VerdictReached(ranking=ranking)),
            Draft(Complete(status=RunStatus.FINISHED)),
        ],
    )
