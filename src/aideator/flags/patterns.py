"""Which files and lines configure tests, stand in for a test runner, or hold secrets.

Tables and nothing else; what they miss is measured in `bench/tamper.py`.
"""

import re

CI = re.compile(
    r"^(\.github/(workflows|actions)/|\.gitlab/ci/|\.circleci/|\.buildkite/|\.drone/"
    r"|\.tekton/|\.woodpecker/|\.ci/|\.forgejo/workflows/|\.gitea/workflows/)"
    r"|^(\.gitlab-ci|\.travis|appveyor|azure-pipelines|bitbucket-pipelines|\.cirrus"
    r"|\.drone|cloudbuild|codecov|\.codecov|\.pre-commit-config)\.ya?ml$"
    r"|^(Jenkinsfile|lefthook\.yml|\.husky/.*)$"
)
"""Files that say what runs in continuous integration or before a commit."""

ACTION = re.compile(r"-?\s*uses:\s*([\w./-]+)@[\w./-]+\s*(?:#.*)?$")
"""A line of a workflow that names an action of somebody else; its name is the first
group."""

TEST_CONFIG = re.compile(
    r"(^|/)(pytest\.ini|\.pytest\.ini|pytest\.toml|tox\.ini|\.coveragerc|noxfile\.py"
    r"|(jest|vitest|vite|karma|playwright|cypress|ava|mocha|wdio|nyc)"
    r"\.(config|conf|setup|workspace)\.(js|cjs|mjs|ts|mts|json)"
    r"|\.mocharc\.\w+|\.nycrc(\.json)?|\.taprc|\.c8rc\.json|phpunit\.xml(\.dist)?"
    r"|\.rspec|\.simplecov|nextest\.toml|testng\.xml|junit-platform\.properties"
    r"|sitecustomize\.py|usercustomize\.py|[^/]+\.pth)$"
)
"""Files that configure tests and nothing else."""

SHARED_CONFIG = re.compile(
    r"(^|/)(pyproject\.toml|setup\.cfg|package\.json|Cargo\.toml|pom\.xml"
    r"|build\.gradle(\.kts)?)$"
)
"""Files that configure tests among other things."""

SHADOW = re.compile(
    r"^(src/)?(pytest|unittest|_pytest|pluggy|coverage|hypothesis|nose2?)"
    r"(/(.*/)?[^/]+)?\.(py|pyc|pyd|so|pth)$"
    r"|(^|/)node_modules/(\.bin/)?(jest|vitest|mocha)"
)
"""Files that stand in for the test runner. Only modules make a package of a folder: a
coverage report in `coverage/` is none."""

SNAPSHOT = re.compile(
    r"(^|/)(__snapshots__|__image_snapshots__|snapshots|goldens?|approvals|cassettes)/"
    r"|\.(snap|ambr|golden|approved\.\w+)$"
    r"|(^|/)testdata/.*\.(golden|want|out|expected)$|\.expected(\.\w+)?$",
    re.IGNORECASE,
)
"""Files that tests compare results with."""

SECRET = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{50,}"
    r"|\bglpat-[\w-]{20,}|\bsk-ant-[\w-]{20,}"
    r"|\bsk-(proj-)?[A-Za-z0-9_-]{32,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}"
    r"|\b[rs]k_live_[A-Za-z0-9]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bnpm_[A-Za-z0-9]{36}\b"
    r"|\bpypi-AgE[\w-]{50,}|\bhf_[A-Za-z0-9]{34}\b"
)
"""Keys and tokens in the form in which their providers give them out."""

TEST_DETECTION = re.compile(
    r"PYTEST_CURRENT_TEST|PYTEST_VERSION|[\"'](pytest|unittest)[\"'] in sys\.modules"
    r"|JEST_WORKER_ID|VITEST_WORKER_ID|process\.env\.VITEST|NODE_ENV\W+test\b"
    r"|testing\.Testing\(\)|RSPEC|cfg!\(test\)"
)
"""Code that finds out whether it is being tested."""

CONFTEST = re.compile(
    r"\bpytest_\w+|collect_ignore|autouse|monkeypatch|sys\.modules|_exit|skip|xfail"
    r"|outcome|mock\b|setattr|__eq__|builtins"
)
"""Lines of a conftest.py that reach into the test run."""

TEST_KEY = re.compile(
    r"^[\"']?(addopts|testpaths|python_(files|classes|functions)|norecursedirs"
    r"|filterwarnings|xfail_strict|collect_ignore\w*"
    r"|markers|usefixtures|required_plugins|omit|exclude_(lines|also)|fail_under"
    r"|branch|test(PathIgnorePatterns|Match|Regex|Environment|Timeout|NamePattern)"
    r"|setupFiles\w*|coverageThreshold|moduleNameMapper|globalSetup"
    r"|modulePathIgnorePatterns|skipTests|skipITs|testFailureIgnore"
    r"|maven\.test\.\w+|trimStackTrace|ignoreFailures|excludes?|groups|excludedGroups"
    r"|autotests|harness|doctest|jest|mocha|vitest|ava|nyc|c8)\b[\"']?\s*[:=]"
    r"|<(skipTests|skip|testFailureIgnore|excludes?|excludedGroups|groups"
    r"|maven\.test\.\w+)>"
    r"|\b(exclude|excludeTestsMatching|useJUnitPlatform|ignoreFailures|enabled)\b"
    r".*(Test|true|false)"
)
"""Lines of a shared configuration file that are about tests wherever they stand."""

SECTION = re.compile(r"^\[+([^\]]+)\]+")
"""The head of a section of TOML or INI; its name is the first group."""

TEST_SECTION = re.compile(
    r"pytest|coverage|tool:pytest|testenv|nose|unittest|\btest\b|tox|nox|mutmut"
)
"""Names of sections that are about tests."""

TESTS_OFF = re.compile(r"^(test|doctest|harness|autotests)\s*=\s*false")
"""Lines of a Cargo.toml that switch tests off."""
