import pytest

from aideator.checks.test_files import is_test


@pytest.mark.parametrize(
    "path",
    [
        "test_wrap.py",
        "tests/conftest.py",
        "pkg/wrap_test.py",
        "tests/helpers/build.py",
        "src/wrap.test.ts",
        "src/__tests__/wrap.tsx",
        "spec/wrap_spec.rb",
        "pkg/wrap_test.go",
        "tests/cli.rs",
        "src/test/java/org/x/WrapTest.java",
        "app/WrapSpec.kt",
        "e2e/login.spec.mjs",
        "Tests/WrapTests.swift",
        "test.js",
        "tests.mjs",
        "spec.ts",
        "lib/test-parser.js",
        "index.test-d.ts",
        "pkg/test.py",
        "src/tests.rs",
        "t/basic.t",
        "lib/x/t/basic.t",
        "check.bats",
        "tests/run.sh",
        "test_wrap.rb",
    ],
)
def test_a_file_of_tests_is_known_by_its_name_or_folder(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize(
    "path",
    [
        "wrap.py",
        "src/latest.py",
        "contest/main.go",
        "src/attestation.ts",
        "docs/tests.md",
        "tests/data.json",
        "a/Best.java",
    ],
)
def test_other_files_are_not(path: str) -> None:
    assert not is_test(path)
