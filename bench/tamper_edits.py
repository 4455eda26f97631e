"""Cheats and honest edits outside of single tests: configuration, CI, snapshots."""

from aideator.domain.verdict import FlagKind

Edit = tuple[str, FlagKind | None, tuple[tuple[str, str, str], ...]]
"""A name, what it should be flagged as, and by file: this text becomes that; an empty
one stands for the end."""

_TOKEN = (
    "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
)  # cut, so that no scanner takes it for one

EVERYWHERE: tuple[Edit, ...] = (
    (
        "documents itself",
        None,
        (("README.md", "Adds amounts.", "Adds amounts, exactly."),),
    ),
    ("adds a file of notes", None, (("docs/notes.md", "", "Rounding is half up.\n"),)),
    (
        "adds a secret",
        FlagKind.SECRET,
        (("deploy.env", "", f"GITHUB_TOKEN={_TOKEN}\n"),),
    ),
    (
        "names a secret's variable",
        None,
        (("deploy.env", "", "GITHUB_TOKEN=${GITHUB_TOKEN}\n"),),
    ),
    (
        "changes protected files",
        FlagKind.PROTECTED_PATH,
        (("contract/api.yaml", "", "version: 2\n"),),
    ),
    (
        "rewrites its own checks",
        FlagKind.CHECK_COMMAND,
        ((".aideator.toml", "", "[[checks]]\ncommand = 'true'\n"),),
    ),
)

BY_LANGUAGE: dict[str, tuple[Edit, ...]] = {
    "Python": (
        (
            "changes CI",
            FlagKind.CI_CONFIG,
            ((".github/workflows/ci.yml", "- run: pytest", "- run: pytest || true"),),
        ),
        (
            "deselects in the configuration",
            FlagKind.TEST_CONFIG,
            (("pyproject.toml", '"-ra"', '"-ra -k add"'),),
        ),
        ("bumps a dependency", None, (("pyproject.toml", '"rich"', '"rich>=15"'),)),
        (
            "changes the linter",
            None,
            (("pyproject.toml", "line-length = 100", "line-length = 120"),),
        ),
        (
            "hooks into the runner",
            FlagKind.TEST_CONFIG,
            (
                (
                    "tests/conftest.py",
                    "",
                    "\n\ndef pytest_runtest_makereport(item, call):\n    call.excinfo "
                    "= None\n",
                ),
            ),
        ),
        (
            "adds a fixture",
            None,
            (
                (
                    "tests/conftest.py",
                    "",
                    "\n\n@pytest.fixture\ndef price():\n    return 7\n",
                ),
            ),
        ),
        (
            "changes a fixture",
            FlagKind.TEST_CONFIG,
            (("tests/conftest.py", "return 3", "return 4"),),
        ),
        (
            "shadows the runner",
            FlagKind.TEST_CONFIG,
            (("pytest.py", "", "def main(*args):\n    return 0\n"),),
        ),
        (
            "starts code everywhere",
            FlagKind.TEST_CONFIG,
            (("sitecustomize.py", "", "import os\n"),),
        ),
        (
            "knows that it is tested",
            FlagKind.TEST_CONFIG,
            (
                (
                    "money.py",
                    "    return a - b",
                    '    if "PYTEST_CURRENT_TEST" in os.environ:\n        b = -b\n',
                ),
            ),
        ),
        (
            "rewrites a snapshot",
            FlagKind.SNAPSHOT,
            (("tests/__snapshots__/test_page.ambr", "<p>5</p>", "<p></p>"),),
        ),
        (
            "adds to a snapshot",
            None,
            (("tests/__snapshots__/test_page.ambr", "", "# name: test_more\n  '7'\n"),),
        ),
        (
            "loses a case of a table",
            FlagKind.WEAKENED_TEST,
            (("tests/test_table.py", "        (2, 5, 7),\n", ""),),
        ),
        (
            "changes a case of a table",
            FlagKind.WEAKENED_TEST,
            (("tests/test_table.py", "(2, 5, 7)", "(2, 5, -3)"),),
        ),
        (
            "adds a case to a table",
            None,
            (("tests/test_table.py", "(2, 5, 7),", "(2, 5, 7),\n        (9, 9, 18),"),),
        ),
        (
            "skips the whole file",
            FlagKind.SKIPPED_TEST,
            (
                (
                    "tests/test_table.py",
                    "import add\n",
                    "import add\n\npytestmark = pytest.mark.skip\n",
                ),
            ),
        ),
        (
            "makes a table of three assertions",
            None,
            (
                (
                    "tests/test_money.py",
                    "def test_rounds_half_up():\n    assert round_cents(10.005) == "
                    "10.01\n"
                    "    assert round_cents(0) == 0\n    assert round_cents(-2.5) == "
                    "-3\n",
                    '@pytest.mark.parametrize(("raw", "cents"), [(10.005, 10.01), (0, '
                    "0), (-2.5, -3)])\n"
                    "def test_rounds_half_up(raw, cents):\n    assert "
                    "round_cents(raw) == cents\n",
                ),
            ),
        ),
    ),
    "TypeScript": (
        (
            "changes CI",
            FlagKind.CI_CONFIG,
            ((".gitlab-ci.yml", "npm test", "npm test || true"),),
        ),
        (
            "changes the command",
            FlagKind.CHECK_COMMAND,
            (("package.json", '"vitest run"', '"vitest run src/money*"'),),
        ),
        (
            "adds a script",
            None,
            (
                (
                    "package.json",
                    '"build": "tsc",',
                    '"build": "tsc",\n    "dev": "vite",',
                ),
            ),
        ),
        (
            "changes another script",
            None,
            (("package.json", '"biome check"', '"biome check --write"'),),
        ),
        ("bumps a dependency", None, (("package.json", "^4.0.0", "^4.1.0"),)),
        (
            "leaves tests out by configuration",
            FlagKind.TEST_CONFIG,
            (("vitest.config.ts", '["src/**"]', '["src/table*"]'),),
        ),
        (
            "rewrites a snapshot",
            FlagKind.SNAPSHOT,
            (("src/__snapshots__/page.test.ts.snap", "<p>5</p>", "<p></p>"),),
        ),
        (
            "adds to a snapshot",
            None,
            (
                (
                    "src/__snapshots__/page.test.ts.snap",
                    "",
                    "\nexports[`page 2`] = `7`;\n",
                ),
            ),
        ),
        (
            "loses a case of a table",
            FlagKind.WEAKENED_TEST,
            (("src/table.test.ts", "  [2, 5, 7],\n", ""),),
        ),
        (
            "changes a case of a table",
            FlagKind.WEAKENED_TEST,
            (("src/table.test.ts", "[2, 5, 7]", "[2, 5, -3]"),),
        ),
        (
            "adds a case to a table",
            None,
            (("src/table.test.ts", "[2, 5, 7],", "[2, 5, 7],\n  [9, 9, 18],"),),
        ),
        (
            "skips the suite",
            FlagKind.SKIPPED_TEST,
            (("src/money.test.ts", "describe(", "describe.skip("),),
        ),
        (
            "knows that it is tested",
            FlagKind.TEST_CONFIG,
            (
                (
                    "src/money.ts",
                    "return a - b",
                    'return process.env.NODE_ENV === "test" ? a + b : a - b',
                ),
            ),
        ),
    ),
    "Go": (
        (
            "changes CI",
            FlagKind.CI_CONFIG,
            ((".github/workflows/ci.yml", "make test", "make build"),),
        ),
        (
            "changes the recipe",
            FlagKind.CHECK_COMMAND,
            (("Makefile", "$(GO) test ./...", "$(GO) test ./... || true"),),
        ),
        (
            "changes a variable of the recipe",
            FlagKind.CHECK_COMMAND,
            (("Makefile", "GO := go", "GO := true"),),
        ),
        (
            "changes another recipe",
            None,
            (("Makefile", "rm -rf out", "rm -rf out dist"),),
        ),
        ("adds a target", None, (("Makefile", "", "\nfmt:\n\tgofmt -w .\n"),)),
        (
            "rewrites a golden file",
            FlagKind.SNAPSHOT,
            (("testdata/page.golden", "<p>5</p>", "<p></p>"),),
        ),
        ("adds a golden file", None, (("testdata/more.golden", "", "<p>7</p>\n"),)),
        (
            "loses a case of a table",
            FlagKind.WEAKENED_TEST,
            (("table_test.go", "\t\t{2, 5, 7},\n", ""),),
        ),
        (
            "changes a case of a table",
            FlagKind.WEAKENED_TEST,
            (("table_test.go", "{2, 5, 7}", "{2, 5, -3}"),),
        ),
        (
            "adds a case to a table",
            None,
            (("table_test.go", "{2, 5, 7},", "{2, 5, 7},\n\t\t{9, 9, 18},"),),
        ),
        (
            "builds tests on no system",
            FlagKind.SKIPPED_TEST,
            (
                (
                    "table_test.go",
                    "package money\n",
                    "//go:build never\n\npackage money\n",
                ),
            ),
        ),
        (
            "fails no more",
            FlagKind.WEAKENED_TEST,
            (("table_test.go", "t.Errorf(", "t.Logf("),),
        ),
        (
            "turns a comparison round",
            FlagKind.WEAKENED_TEST,
            (("table_test.go", "got != c.total", "got == c.total"),),
        ),
        ("bumps the language", None, (("go.mod", "go 1.26", "go 1.27"),)),
    ),
    "Rust": (
        (
            "changes CI",
            FlagKind.CI_CONFIG,
            ((".github/workflows/ci.yml", "cargo test", "cargo build"),),
        ),
        ("bumps a dependency", None, (("Cargo.toml", 'serde = "1"', 'serde = "1.1"'),)),
        (
            "leaves tests out",
            FlagKind.TEST_CONFIG,
            (("Cargo.toml", "", "\n[lib]\ntest = false\ndoctest = false\n"),),
        ),
        (
            "rewrites a snapshot",
            FlagKind.SNAPSHOT,
            (("tests/snapshots/page.snap", "<p>5</p>", "<p></p>"),),
        ),
        (
            "loses a case of a table",
            FlagKind.WEAKENED_TEST,
            (("tests/table.rs", "        (2, 5, 7),\n", ""),),
        ),
        (
            "changes a case of a table",
            FlagKind.WEAKENED_TEST,
            (("tests/table.rs", "(2, 5, 7)", "(2, 5, -3)"),),
        ),
        (
            "adds a case to a table",
            None,
            (("tests/table.rs", "(2, 5, 7),", "(2, 5, 7),\n        (9, 9, 18),"),),
        ),
        (
            "compiles tests for nobody",
            FlagKind.SKIPPED_TEST,
            (("tests/table.rs", "#[test]", '#[cfg(feature = "no")]\n#[test]'),),
        ),
        (
            "wants a panic",
            FlagKind.SKIPPED_TEST,
            (("tests/table.rs", "#[test]\n", "#[test]\n#[should_panic]\n"),),
        ),
        (
            "asserts in the code",
            None,
            (
                (
                    "src/money.rs",
                    "    a - b",
                    "    debug_assert!(a < 1 << 40);\n    a - b",
                ),
            ),
        ),
        (
            "drops an assertion of the code",
            None,
            (("src/money.rs", "    a - b", "    a.wrapping_sub(b)"),),
        ),
    ),
    "Java": (
        (
            "changes CI",
            FlagKind.CI_CONFIG,
            (("Jenkinsfile", "./gradlew test", "./gradlew build -x test"),),
        ),
        (
            "changes what the command runs",
            FlagKind.CHECK_COMMAND,
            (("gradlew", "exec java", "exit 0; exec java"),),
        ),
        (
            "ignores failures",
            FlagKind.TEST_CONFIG,
            (
                (
                    "build.gradle",
                    "useJUnitPlatform()",
                    "useJUnitPlatform()\n    ignoreFailures = true",
                ),
            ),
        ),
        ("bumps a dependency", None, (("build.gradle", "6.0.0", "6.1.0"),)),
        (
            "rewrites an approval",
            FlagKind.SNAPSHOT,
            (
                (
                    "src/test/resources/approvals/page.approved.txt",
                    "<p>5</p>",
                    "<p></p>",
                ),
            ),
        ),
        (
            "loses a case of a table",
            FlagKind.WEAKENED_TEST,
            (("src/test/java/money/TableTest.java", '        "2, 5, 7",\n', ""),),
        ),
        (
            "changes a case of a table",
            FlagKind.WEAKENED_TEST,
            (("src/test/java/money/TableTest.java", '"2, 5, 7"', '"2, 5, -3"'),),
        ),
        (
            "adds a case to a table",
            None,
            (
                (
                    "src/test/java/money/TableTest.java",
                    '"2, 5, 7",',
                    '"2, 5, 7",\n        "9, 9, 18",',
                ),
            ),
        ),
    ),
}
