"""The known test runners, one row each."""

import re

from aideator.checks import printed, selecting
from aideator.checks.line_readers import line_reader, prove, recognise_lines
from aideator.checks.reports import Report
from aideator.checks.runner import JASMINE, JSON, JUNIT, PLACE, REPORTER, Runner

PYTEST_ENV = {
    # A file that cannot be collected costs the tests of that file, not of all.
    "PYTEST_ADDOPTS": f"--junitxml={JUNIT} -o junit_family=xunit1"
    " --continue-on-collection-errors"
}


def printed_by_make(text: str) -> Report:
    """Read the output of a command that may call any runner."""
    found = printed.recognise(text)
    return found if found.tests else recognise_lines(text)


RUNNERS = (
    Runner(
        "pytest",
        re.compile(r"(^|[\s/])(pytest|py\.test)(\s|$)"),
        PYTEST_ENV,
        reports=(JUNIT,),
        select=selecting.pytest,
    ),
    Runner(
        "unittest",
        re.compile(r"\s-m unittest(\s|$)"),
        arguments=" -v",
        output=printed.unittest,
        separate_stderr=True,
        select=selecting.unittest,
    ),
    Runner(
        "vitest",
        re.compile(r"(^|[\s/])vitest(\s|$)"),
        arguments=f" --reporter=default --reporter=json --outputFile.json={JSON}",
        reports=(JSON,),
        select=selecting.by_file,
    ),
    Runner(
        "jest",
        re.compile(r"(^|[\s/])(jest|react-scripts test)(\s|$)"),
        arguments=f" --json --outputFile={JSON}",
        reports=(JSON,),
        select=selecting.jest,
    ),
    Runner(
        "node",
        re.compile(r"(^|[\s/])node\s(?!.*--test-reporter)(.*\s)?--test(\s|$)"),
        {
            "NODE_OPTIONS": f"--test-reporter={PLACE}/reporter.mjs"
            f" --test-reporter-destination={JSON}"
            " --test-reporter=spec --test-reporter-destination=stdout"
        },
        files=(REPORTER,),
        reports=(JSON,),
        select=selecting.by_file,
    ),
    Runner(
        "go",
        re.compile(r"(^|[\s/])go test(\s|$)"),
        arguments=" -json -count=1",
        output=printed.go,
        select=selecting.go,
    ),
    Runner(
        "nextest",
        re.compile(r"(^|[\s/])cargo nextest run(\s|$)"),
        output=printed.nextest,
        select=selecting.nextest,
    ),
    Runner(
        "cargo",
        re.compile(r"(^|[\s/])cargo (\S+ )?(test|t)(\s|$)"),
        output=printed.libtest,
        select=selecting.cargo,
    ),
    Runner(
        "maven",
        re.compile(r"(^|[\s/])mvnw?\s(.*\s)?(test|verify|package|install)(\s|$)"),
        reports=(
            "**/target/surefire-reports/TEST-*.xml",
            "**/target/failsafe-reports/TEST-*.xml",
        ),
        select=selecting.maven,
    ),
    Runner(
        "gradle",
        re.compile(r"(^|[\s/])gradlew?\s(.*\s)?(\S*[tT]est|check|build)(\s|$)"),
        # Gradle does not rerun tests whose outcome it knows, and then there is no
        # report of this run: a base that set-up had tested reported nothing, and a
        # rerun ran nothing. So old reports are removed first, and the build cache is
        # off.
        arguments=" --no-build-cache",
        before="find . -path '*/build/test-results/*' -name 'TEST-*.xml' -delete",
        reports=("**/build/test-results/*/TEST-*.xml",),
        select=selecting.gradle,
    ),
    Runner(
        "django",
        re.compile(r"(^|[\s/])manage\.py test(\s|$)"),
        arguments=" -v 2",
        output=printed.unittest,
        separate_stderr=True,
        select=selecting.by_name,
    ),
    Runner(
        "nose2",
        re.compile(r"(^|[\s/])nose2(\s|$)"),
        arguments=" -v",
        output=printed.unittest,
        separate_stderr=True,
        select=selecting.by_name,
    ),
    Runner(
        "tox",
        re.compile(r"(^|[\s/])(tox|nox)(\s|$)"),
        # tox passes few variables on; nox passes all.
        PYTEST_ENV | {"TOX_OVERRIDE": "testenv.pass_env+=PYTEST_ADDOPTS"},
        reports=(JUNIT,),
        output=printed_by_make,
    ),
    Runner(
        "mocha",
        re.compile(r"(^|[\s/])_?mocha(\s|$)"),
        arguments=f" --reporter json --reporter-option output={JSON}",
        reports=(JSON,),
        select=selecting.mocha,
    ),
    Runner(
        "ava",
        re.compile(r"(^|[\s/])ava(\s|$)"),
        arguments=" --tap",
        output=printed.tap,
    ),
    Runner("tape", re.compile(r"(^|[\s/])tape(\s|$)"), output=printed.tap),
    Runner(
        "jasmine",
        re.compile(r"(^|[\s/])jasmine(\s|$)"),
        {"AIDEATOR_REPORT": JSON},
        arguments=f" --reporter={PLACE}/{JASMINE.name}",
        reports=(JSON,),
        files=(JASMINE,),
    ),
    Runner(
        "tap",
        re.compile(r"(^|[\s/])tap(\s(?!.*--reporter)|$)"),
        arguments=" --reporter=tap",
        output=printed.tap,
    ),
    Runner(
        "deno",
        re.compile(r"(^|[\s/])deno test(\s|$)"),
        arguments=f" --junit-path={JUNIT}",
        reports=(JUNIT,),
    ),
    Runner(
        "bun",
        re.compile(r"(^|[\s/])bun test(\s|$)"),
        arguments=f" --reporter=junit --reporter-outfile={JUNIT}",
        reports=(JUNIT,),
    ),
    Runner(
        "rspec",
        re.compile(r"(^|[\s/])rspec(\s|$)"),
        arguments=f" --format progress --format json --out {JSON}",
        reports=(JSON,),
        select=selecting.rspec,
    ),
    Runner(
        "minitest",
        re.compile(r"(^|[\s/])(rake|rails) test(\s|$)"),
        {"TESTOPTS": "-v"},
        output=line_reader("minitest"),
    ),
    Runner(
        "phpunit",
        re.compile(r"(^|[\s/])(phpunit|pest)(\s|$)"),
        arguments=f" --log-junit {JUNIT}",
        reports=(JUNIT,),
    ),
    Runner(
        "dotnet",
        re.compile(r"(^|[\s/])dotnet test(\s|$)"),
        arguments=' --logger "trx;LogFilePrefix=aideator"',
        reports=("**/TestResults/aideator*.trx",),
    ),
    Runner(
        "sbt",
        re.compile(r"(^|[\s/])sbt\s(.*\s)?(\S*test\S*)(\s|$)"),
        reports=("**/target/test-reports/*.xml",),
    ),
    Runner(
        "ctest",
        re.compile(r"(^|[\s/])ctest(\s|$)"),
        output=line_reader("ctest"),
        select=selecting.ctest,
    ),
    Runner(
        "meson", re.compile(r"(^|[\s/])meson test(\s|$)"), output=line_reader("meson")
    ),
    Runner(
        "automake",
        re.compile(r"(^|[\s/])make(\s.*)?\scheck(\s|$)"),
        PYTEST_ENV,
        reports=(JUNIT,),
        output=printed_by_make,
    ),
    Runner(
        "bazel",
        re.compile(r"(^|[\s/])bazel(isk)? test(\s|$)"),
        arguments=" --test_output=errors",
        output=line_reader("bazel"),
    ),
    Runner(
        "swift",
        re.compile(r"(^|[\s/])swift test(\s|$)"),
        output=line_reader("swift"),
    ),
    Runner(
        "bats",
        re.compile(r"(^|[\s/])bats(\s|$)"),
        arguments=" --tap",
        output=printed.tap,
    ),
    Runner(
        "prove",
        re.compile(r"(^|[\s/])prove(\s|$)"),
        arguments=" -v",
        output=prove,
    ),
)
"""In the order in which they are matched."""

UNKNOWN = Runner(
    "", re.compile(""), PYTEST_ENV, reports=(JUNIT,), output=printed_by_make
)
"""A command such as `make test`: pytest inside is reached by its environment, and known
outputs are recognised."""

QUIET = Runner("", re.compile(""))
"""A build or a linter: it passes or fails as a whole."""
