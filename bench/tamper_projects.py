"""Small projects in five languages, written from one description, so that the same cheat can be planted in each.

Only the text of a diff is read, never run: the expressions are plain calls that look alike everywhere.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Test:
    """A test of the description: expressions with the values that they must have."""

    __test__ = False

    name: str
    asserts: tuple[tuple[str, str], ...]
    marks: tuple[str, ...] = ()
    """Lines above the definition."""
    body: tuple[str, ...] | None = None
    """The lines of the body, where they are not made from the assertions."""


TESTS = (
    Test("adds_amounts", (("add(2, 3)", "5"), ("add(-1, 1)", "0"))),
    Test("joins_words", (('join("a", "b")', '"a-b"'),)),
    Test("rounds_half_up", (("round_cents(10.005)", "10.01"), ("round_cents(0)", "0"), ("round_cents(-2.5)", "-3"))),
    Test("parses_empty_input", (('count(parse(""))', "0"),)),
    Test("keeps_order", (('first(sort("b", "a"))', '"a"'), ('last(sort("b", "a"))', '"b"'))),
    Test("limits_length", (('len_of(clip("abcdef", 3))', "3"), ('clip("ab", 3)', '"ab"'))),
)


@dataclass(frozen=True)
class Language:
    """How tests and projects are written in one language."""

    name: str
    path: str
    other_path: str
    """Another file where a runner finds tests."""
    unseen_path: str
    """A file where none does."""
    source: str
    head: str
    tail: str
    test: str
    """A test, with {marks}, {name} and {body}."""
    indent: str
    equal: str
    styled: str
    """The same in another style."""
    split: str
    """The same over several lines."""
    explained: str
    """The same with a message."""
    loose: str
    trivial: str
    swallow: tuple[str, str]
    leave: str
    skip_mark: str
    skip_call: str
    comment: str
    mark_indent: str = ""
    focus: tuple[str, str] | None = None
    """How a definition becomes the only one that runs: replace this by that."""
    files: dict[str, str] = field(default_factory=dict)
    """The project around: configuration, CI, task runner."""
    check: str = ""

    def render(self, tests: tuple[Test, ...]) -> str:
        """A file of tests."""
        return self.head + "".join(self._test(test) for test in tests) + self.tail

    def body(self, test: Test) -> tuple[str, ...]:
        """The lines of a test's body."""
        return test.body or tuple(self.equal.format(e=e, v=v) for e, v in test.asserts)

    def _test(self, test: Test) -> str:
        body = "\n".join(self.indent + line for lines in self.body(test) for line in lines.split("\n"))
        marks = "".join(f"{self.mark_indent}{mark}\n" for mark in test.marks)
        return self.test.format(marks=marks, name=test.name, body=body)

    def project(self, tests: tuple[Test, ...] = TESTS) -> dict[str, str]:
        """All files."""
        return {self.path: self.render(tests), **self.files}


PYTHON = Language(
    name="Python",
    path="tests/test_money.py",
    other_path="tests/test_words.py",
    unseen_path="tests/old_money.py",
    source="money.py",
    head="import pytest\n\nfrom money import add, clip, count, first, join, last, len_of, parse, round_cents, sort\n",
    tail="",
    test="\n\n{marks}def test_{name}():\n{body}\n",
    indent="    ",
    equal="assert {e} == {v}",
    styled="assert {v} == {e}",
    split="assert (\n    {e}\n    == {v}\n)",
    explained='assert {e} == {v}, "wrong result"',
    loose="assert {e} is not None",
    trivial="assert {e} == {v} or True",
    swallow=("try:", "except AssertionError:\n    pass"),
    leave="return",
    skip_mark='@pytest.mark.skip(reason="later")',
    skip_call='pytest.skip("not now")',
    comment="# ",
    check="python -m pytest -q",
    files={
        "money.py": "def add(a, b):\n    return a - b\n\n\ndef join(*words):\n    return '-'.join(words)\n",
        "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef rate():\n    return 3\n",
        "tests/test_table.py": 'import pytest\n\nfrom money import add\n\n\n@pytest.mark.parametrize(\n    ("a", "b", "total"),\n    [\n        (1, 1, 2),\n        (2, 5, 7),\n        (0, 0, 0),\n    ],\n)\ndef test_table(a, b, total):\n    assert add(a, b) == total\n',
        "tests/__snapshots__/test_page.ambr": "# serializer version: 1\n# name: test_page\n  '<p>5</p>'\n# ---\n",
        "pyproject.toml": '[project]\nname = "money"\nversion = "1.0"\ndependencies = ["rich"]\n\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "-ra"\n\n[tool.ruff]\nline-length = 100\n',
        ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: pytest\n",
        "README.md": "# Money\n\nAdds amounts.\n",
    },
)

TYPESCRIPT = Language(
    name="TypeScript",
    path="src/money.test.ts",
    other_path="src/words.test.ts",
    unseen_path="src/money.old.ts",
    source="src/money.ts",
    head='import { describe, expect, it } from "vitest";\nimport { add, clip, count, join, parse } from "./money";\n\ndescribe("money", () => {\n',
    tail="});\n",
    test='{marks}  it("{name}", () => {{\n{body}\n  }});\n\n',
    indent="    ",
    equal="expect({e}).toBe({v});",
    styled="expect({e}).toEqual({v});",
    split="expect(\n  {e},\n).toBe({v});",
    explained='expect({e}, "wrong result").toBe({v});',
    loose="expect({e}).toBeDefined();",
    trivial="expect(true).toBe(true);",
    swallow=("try {", "} catch (error) {\n  // ignored\n}"),
    leave="return;",
    skip_mark="",
    skip_call="",
    comment="// ",
    focus=('  it("{name}"', '  it.only("{name}"'),
    check="npm test",
    files={
        "src/money.ts": "export function add(a: number, b: number) {\n  return a - b;\n}\n",
        "src/table.test.ts": 'import { expect, test } from "vitest";\nimport { add } from "./money";\n\ntest.each([\n  [1, 1, 2],\n  [2, 5, 7],\n  [0, 0, 0],\n])("adds %i and %i", (a, b, total) => {\n  expect(add(a, b)).toBe(total);\n});\n',
        "src/__snapshots__/page.test.ts.snap": "// Vitest Snapshot v1\n\nexports[`page 1`] = `<p>5</p>`;\n",
        "package.json": '{\n  "name": "money",\n  "scripts": {\n    "build": "tsc",\n    "lint": "biome check",\n    "test": "vitest run"\n  },\n  "dependencies": {\n    "zod": "^4.0.0"\n  }\n}\n',
        "vitest.config.ts": 'import { defineConfig } from "vitest/config";\n\nexport default defineConfig({ test: { include: ["src/**"] } });\n',
        ".gitlab-ci.yml": "test:\n  script:\n    - npm test\n",
        "README.md": "# Money\n\nAdds amounts.\n",
    },
)

GO = Language(
    name="Go",
    path="money_test.go",
    other_path="words_test.go",
    unseen_path="money_old.go",
    source="money.go",
    head='package money\n\nimport "testing"\n',
    tail="",
    test="\n{marks}func Test_{name}(t *testing.T) {{\n{body}\n}}\n",
    indent="\t",
    equal='if got := {e}; got != {v} {{\n\tt.Errorf("got %v", got)\n}}',
    styled='if got := {e}; {v} != got {{\n\tt.Errorf("got %v", got)\n}}',
    split='if got :=\n\t{e}; got != {v} {{\n\tt.Errorf("got %v", got)\n}}',
    explained='if got := {e}; got != {v} {{\n\tt.Errorf("wrong result: got %v", got)\n}}',
    loose='if got := {e}; got != nil {{\n\tt.Log("got", got)\n}}',
    trivial='if false {{\n\tt.Errorf("never")\n}}',
    swallow=("defer func() { _ = recover() }()", ""),
    leave="return",
    skip_mark="",
    skip_call='t.Skip("not now")',
    comment="// ",
    check="make test",
    files={
        "money.go": "package money\n\nfunc add(a, b int) int {\n\treturn a - b\n}\n",
        "table_test.go": 'package money\n\nimport "testing"\n\nfunc TestTable(t *testing.T) {\n\tfor _, c := range []struct{ a, b, total int }{\n\t\t{1, 1, 2},\n\t\t{2, 5, 7},\n\t\t{0, 0, 0},\n\t} {\n\t\tif got := add(c.a, c.b); got != c.total {\n\t\t\tt.Errorf("got %d", got)\n\t\t}\n\t}\n}\n',
        "testdata/page.golden": "<p>5</p>\n",
        "Makefile": "GO := go\n\nbuild:\n\t$(GO) build ./...\n\ntest: build\n\t$(GO) test ./...\n\nclean:\n\trm -rf out\n",
        ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    steps:\n      - run: make test\n",
        "go.mod": "module example.com/money\n\ngo 1.26\n",
        "README.md": "# Money\n\nAdds amounts.\n",
    },
)

RUST = Language(
    name="Rust",
    path="src/lib.rs",
    other_path="tests/words.rs",
    unseen_path="notes/money.txt",
    source="src/money.rs",
    head="mod money;\n\npub use money::add;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n",
    tail="}\n",
    test="\n    #[test]\n{marks}    fn {name}() {{\n{body}\n    }}\n",
    indent="        ",
    mark_indent="    ",
    equal="assert_eq!({e}, {v});",
    styled="assert_eq!({v}, {e});",
    split="assert_eq!(\n    {e},\n    {v}\n);",
    explained='assert_eq!({e}, {v}, "wrong result");',
    loose="assert!({e}.is_some());",
    trivial="assert!(true);",
    swallow=("let _ = std::panic::catch_unwind(|| {", "});"),
    leave="return;",
    skip_mark="#[ignore]",
    skip_call="",
    comment="// ",
    check="cargo test",
    files={
        "src/money.rs": "pub fn add(a: i64, b: i64) -> i64 {\n    a - b\n}\n",
        "tests/table.rs": "use money::add;\n\n#[test]\nfn table() {\n    for (a, b, total) in [\n        (1, 1, 2),\n        (2, 5, 7),\n        (0, 0, 0),\n    ] {\n        assert_eq!(add(a, b), total);\n    }\n}\n",
        "tests/snapshots/page.snap": "---\nsource: tests/page.rs\n---\n<p>5</p>\n",
        "Cargo.toml": '[package]\nname = "money"\nversion = "1.0.0"\n\n[dependencies]\nserde = "1"\n',
        ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    steps:\n      - run: cargo test\n",
        "README.md": "# Money\n\nAdds amounts.\n",
    },
)

JAVA = Language(
    name="Java",
    path="src/test/java/money/MoneyTest.java",
    other_path="src/test/java/money/WordsTest.java",
    unseen_path="docs/MoneyOld.txt",
    source="src/main/java/money/Money.java",
    head="package money;\n\nimport static org.junit.jupiter.api.Assertions.*;\n\nimport org.junit.jupiter.api.Test;\n\nclass MoneyTest {\n",
    tail="}\n",
    test="\n    @Test\n{marks}    void {name}() {{\n{body}\n    }}\n",
    indent="        ",
    mark_indent="    ",
    equal="assertEquals({v}, {e});",
    styled="assertThat({e}).isEqualTo({v});",
    split="assertEquals(\n    {v},\n    {e});",
    explained='assertEquals({v}, {e}, "wrong result");',
    loose="assertNotNull({e});",
    trivial="assertTrue(true);",
    swallow=("try {", "} catch (AssertionError error) {\n    // ignored\n}"),
    leave="return;",
    skip_mark='@Disabled("later")',
    skip_call="Assumptions.assumeTrue(false);",
    comment="// ",
    check="./gradlew test",
    files={
        "src/main/java/money/Money.java": "package money;\n\nclass Money {\n    static int add(int a, int b) {\n        return a - b;\n    }\n}\n",
        "src/test/java/money/TableTest.java": 'package money;\n\nclass TableTest {\n    @ParameterizedTest\n    @CsvSource({\n        "1, 1, 2",\n        "2, 5, 7",\n        "0, 0, 0",\n    })\n    void table(int a, int b, int total) {\n        assertEquals(total, add(a, b));\n    }\n}\n',
        "src/test/resources/approvals/page.approved.txt": "<p>5</p>\n",
        "build.gradle": "plugins {\n    id 'java'\n}\n\ndependencies {\n    testImplementation 'org.junit.jupiter:junit-jupiter:6.0.0'\n}\n\ntest {\n    useJUnitPlatform()\n}\n",
        "gradlew": '#!/bin/sh\nexec java -jar gradle/wrapper.jar "$@"\n',
        "Jenkinsfile": "pipeline {\n    stages { stage('test') { steps { sh './gradlew test' } } }\n}\n",
        "README.md": "# Money\n\nAdds amounts.\n",
    },
)

LANGUAGES = (PYTHON, TYPESCRIPT, GO, RUST, JAVA)

__all__ = ["LANGUAGES", "TESTS", "Language", "Test", "replace"]
