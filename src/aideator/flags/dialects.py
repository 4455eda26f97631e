"""How tests look in the known languages: definitions, assertions, ways to skip them.

Tables and nothing else. They read single lines of a diff, where no parser can: what
they miss is measured in `bench/tamper.py`.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Dialect:
    """The patterns of one family of test runners, for lines without indentation.

    `test`, `function`, `mark` and `comment` match at the beginning of the line, the
    others anywhere in it.
    """

    test: re.Pattern[str]
    """A test's definition; its name is the first group that matched, where it stands on
    the same line."""
    function: re.Pattern[str]
    """Any definition that ends the one above; its name is the first group that
    matched."""
    mark: re.Pattern[str]
    """An attribute or decorator, which belongs to what comes below."""
    comment: re.Pattern[str]
    skip: re.Pattern[str]
    """Switches a test off, or makes its failure pass."""
    focus: re.Pattern[str]
    """Switches all others off."""
    assertion: re.Pattern[str]
    """Can fail a test."""
    swallow: re.Pattern[str]
    """Catches what an assertion raises, or steps around it."""


def named(pattern: re.Pattern[str], line: str) -> str | None:
    """Return the name that a line defines; None if it defines nothing.

    Empty where it defines something whose name stands on another line.
    """
    found = pattern.match(line)
    if found is None:
        return None
    return next((name for name in found.groups() if name is not None), "")


def _pattern(*alternatives: str) -> re.Pattern[str]:
    """Return a pattern of any of these, but not in the middle of a word."""
    if not alternatives:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})")


_SLASHES = re.compile(r"//|/?\*")

_C_FUNCTION = (
    r"(?:(?:export|default|pub|public|private|protected|static|async|final) )*"
    r"function\*? ?(\w*)"
)

_PYTHON = Dialect(
    test=_pattern(r"(?:async )?def (test\w*)", r"class (Test\w*|\w+Tests?)\b"),
    function=_pattern(r"(?:async )?def (\w+)", r"class (\w+)"),
    mark=_pattern(r"@"),
    comment=_pattern(r"#"),
    skip=_pattern(
        r"@?(?:pytest\.)?mark\.(?:skip|skipif|xfail)\b",
        r"@.*\b(?:skip|skipIf|skipUnless|skip_unless|expectedFailure)\b",
        r"(?:pytest\.)(?:skip|xfail|importorskip)\(",
        r"(?:raise .*SkipTest|self\.skipTest\()",
        r"pytestmark\s*=.*\b(?:skip|skipif|xfail)\b",
        r"__test__\s*=\s*False",
        r"collect_ignore",
        r"(?:marks=)?pytest\.param\(.*\b(?:skip|xfail)\b",
    ),
    focus=_pattern(),
    assertion=_pattern(
        r"assert\b",
        r"(?:self|cls|case|tc)\.(?:assert\w+|fail)\(",
        r"with (?:pytest\.|self\.)"
        r"(?:raises|warns|assertRaises\w*|assertWarns\w*|assertLogs)\b",
        r"(?:np|numpy|tm|torch)\.testing\.\w+\(",
        r"\w+\.assert_\w+\(",
        r"pytest\.fail\(",
    ),
    swallow=_pattern(
        r"except\b",
        r"with (?:contextlib\.)?suppress\(",
        r"if (?:False|0)\b",
        r"return(?: (?:None|True|False|\d+))?$",
        r"(?:sys|os)\._?exit\(",
    ),
)

_JAVASCRIPT = Dialect(
    test=_pattern(
        r"[xf]?(?:it|test|specify|describe|context|suite)(?:\.\w+\b[^'\"`]*)?"
        r"\(\s*['\"`]([^'\"`]*)",
        r"Deno\.test\(\s*['\"`]([^'\"`]*)",
    ),
    function=_pattern(
        _C_FUNCTION,
        r"(?:it|test|specify|describe|context|suite"
        r"|beforeEach|afterEach|beforeAll|afterAll)\b[.\w]*\(",
        r"(?:const|let|var) (\w+) = (?:async )?(?:function|\(.*=>)",
    ),
    mark=_pattern(r"@"),
    comment=_SLASHES,
    skip=_pattern(
        r"\b(?:it|test|describe|specify|context|suite)"
        r"\.(?:skip|todo|fails|failing|skipIf|runIf|fixme)\b",
        r"\b(?:xit|xtest|xdescribe|xspecify|xcontext)\(",
        r"(?:this|ctx|context|t)\.skip\(",
        r"\bpending\(",
    ),
    focus=_pattern(
        r"\b(?:it|test|describe|specify|context|suite)\.only\b",
        r"\b(?:fit|fdescribe|ftest)\(",
    ),
    assertion=_pattern(
        r"(?:await )?expect\b",
        r"(?:return )?(?:await )?assert\b",
        r"\.(?:not\.|resolves\.|rejects\.)?"
        r"to(?:Be|Equal|Have|Throw|Match|Contain|Strict)\w*\(",
        r"t\.(?:is|deepEqual|true|false|truthy|falsy|throws|like|not|equal|same|ok"
        r"|strictEqual)\(",
        r"\.should\b",
        r"(?:done|t)\.fail\(",
        r"(?:strictEqual|deepEqual|deepStrictEqual|equal|ok|throws|rejects)\(",
    ),
    swallow=_pattern(
        r"\}?\s*catch\b",
        r"\.catch\(",
        r"if \((?:false|0)\)",
        r"return;?$",
        r"process\.exit\(",
    ),
)

_GO = Dialect(
    test=_pattern(
        r"func ((?:Test|Fuzz|Example|Benchmark)\w*)\(",
        r"(?:s|suite)\.Run\(\s*\"([^\"]*)",
    ),
    function=_pattern(r"func (?:\([^)]*\) )?(\w+)"),
    mark=_pattern(),
    comment=re.compile(r"//(?!\s*(?:go:build|\+build))"),
    skip=_pattern(
        r"[tbsf]\.(?:Skip|Skipf|SkipNow)\(",
        r"testing\.Short\(\)",
        r"//\s*(?:go:build|\+build)\b",
    ),
    focus=_pattern(),
    assertion=_pattern(
        r"[tbf]\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(",
        r"(?:assert|require|is|qt|td|cmp)\.\w+\(",
        r"(?:s|suite)"
        r"\.(?:Equal|True|False|NoError|Error|Len|Nil|NotNil|Contains|Require)\b",
        r"if .*(?:!=|==|<|>|!|DeepEqual|Compare|Equal).*\{",
    ),
    swallow=_pattern(
        r"defer func\(\) \{ *(?:_ = )?recover",
        r"recover\(\)",
        r"if false\b",
        r"return$",
        r"os\.Exit\(",
    ),
)

_RUST = Dialect(
    test=_pattern(
        r"#\[(?:\w+::)*test\b", r"#\[(?:rstest|test_case|proptest)\b", r"mod (tests?)\b"
    ),
    function=_pattern(
        r"(?:pub(?:\([^)]*\))? )?(?:async )?(?:unsafe )?fn (\w+)", r"mod (\w+)"
    ),
    mark=_pattern(r"#\["),
    comment=_SLASHES,
    skip=_pattern(
        r"#\[ignore\b",
        r"#\[cfg_attr\(.*\bignore\b",
        r"#!?\[cfg\((?!test\))",
        r"#\[should_panic",
    ),
    focus=_pattern(),
    assertion=_pattern(
        r"(?:\w+::)*(?:debug_)?assert\w*!",
        r"panic!\(",
        r"prop_assert\w*!",
        r"(?:insta::)?assert_\w*snapshot!",
    ),
    swallow=_pattern(r"catch_unwind\b", r"if false\b", r"return;$", r"process::exit\("),
)

_JAVA = Dialect(
    test=_pattern(
        r"@(?:\w+\.)*"
        r"(?:Test|ParameterizedTest|RepeatedTest|TestFactory|TestTemplate)\b",
        r"void (test\w+)\(",
    ),
    function=_pattern(
        r"(?:(?:public|private|protected|static|final|abstract|default|override"
        r"|suspend|internal) )*"
        r"(?:void|fun|func|def|class|Task|[A-Z]\w*(?:<.*>)?) [`]?(\w[\w ]*?)`? ?[({]",
    ),
    mark=_pattern(r"@"),
    comment=_SLASHES,
    skip=_pattern(
        r"@(?:\w+\.)*(?:Disabled\w*|Ignore[d]?|Enabled(?:On|If)\w*)\b",
        r"Assumptions?\.\w+\(",
        r"(?:assume\w+)\(",
        r"throw new (?:\w*Skip\w*|\w*Pending\w*|AssumptionViolated\w*|TestAborted\w*)",
        r"@Test\(.*enabled\s*=\s*false",
        r"@Test\(.*expected\s*=",
    ),
    focus=_pattern(),
    assertion=_pattern(
        r"(?:Assert(?:ions)?\.)?(?:assert\w+|fail)\(",
        r"(?:Assertions\.)?(?:expectThat|verify)\w*\(",
        r"assert\b",
        r"\.(?:isEqualTo|isTrue|isFalse|isNull|isNotNull|contains\w*|hasSize"
        r"|isInstanceOf|isEmpty)\(",
        r"should(?:Be|Throw|Have|Equal)\b",
    ),
    swallow=_pattern(r"\}?\s*catch\b", r"if \(false\)", r"return;$", r"System\.exit\("),
)

_RUBY = Dialect(
    test=_pattern(
        r"def (test_\w*)",
        r"[xf]?(?:it|specify|test|describe|context|scenario)\s*\(?['\"]([^'\"]*)",
    ),
    function=_pattern(
        r"def (\w+)", r"(?:it|specify|test|describe|context|let!?|before|after)\b"
    ),
    mark=_pattern(),
    comment=_pattern(r"#"),
    skip=_pattern(
        r"x(?:it|describe|context|specify)\b",
        r"(?:skip|pending)\b",
        r"(?:skip|pending): ",
        r"omit\b",
    ),
    focus=_pattern(r"f(?:it|describe|context|specify)\b", r"focus: true", r":focus\b"),
    assertion=_pattern(
        r"assert\w*\b",
        r"refute\w*\b",
        r"expect\b",
        r"is_expected\b",
        r"\.(?:should|must_\w+|wont_\w+)\b",
        r"flunk\b",
    ),
    swallow=_pattern(r"rescue\b", r"if false\b", r"return$", r"exit!?\b"),
)

_PHP = Dialect(
    test=_pattern(r"(?:public )?function (test\w*)\(", r"(?:it|test)\(['\"]([^'\"]*)"),
    function=_pattern(_C_FUNCTION),
    mark=_pattern(r"#\["),
    comment=_SLASHES,
    skip=_pattern(r"\$this->markTest(?:Skipped|Incomplete)\(", r"->(?:skip|todo)\("),
    focus=_pattern(r"->only\("),
    assertion=_pattern(
        r"(?:\$this|self|static|Assert)(?:->|::)(?:assert|expect|fail)\w*\(",
        r"expect\(",
    ),
    swallow=_pattern(r"\}?\s*catch\b", r"if \(false\)", r"return;$", r"exit\("),
)

_BY_SUFFIX = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON),
    **dict.fromkeys(
        (
            ".js",
            ".jsx",
            ".ts",
            ".tsx",
            ".mjs",
            ".cjs",
            ".mts",
            ".cts",
            ".vue",
            ".svelte",
        ),
        _JAVASCRIPT,
    ),
    ".go": _GO,
    ".rs": _RUST,
    **dict.fromkeys(
        (".java", ".kt", ".kts", ".scala", ".groovy", ".cs", ".swift"), _JAVA
    ),
    ".rb": _RUBY,
    ".php": _PHP,
}


def dialect_of(path: str) -> Dialect | None:
    """Return the dialect of a file's tests, by its suffix."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix)


TRIVIAL = re.compile(
    r"assert (?:True|1|not False|true)\b(?!\s*[=!<>])|\bor True\b|\|\| true\b"
    r"|if false\b"
    r"|assert(?:True|That)?(?:\.ok)?!?\(\s*(?:[Tt]rue|1)\b"
    r"|assertFalse\(\s*[Ff]alse\b"
    r"|expect\((?:true|1)\)\.to(?:Be|Equal|BeTruthy)|expect\((.+)\)\.to\w+\(\1\)"
    r"|(?:assert_eq!|[eE]quals?)\(\s*(\S.*)\s*,\s*\2\s*[,)]"
    r"|assert (\S.*) == \3(?:$|,|\s+#)"
)
"""An assertion that cannot fail."""

EQUALITY = re.compile(
    r"==|!==?|assertEquals?\b|assert\w*Equals?\b|assert_eq|assert_equal"
    r"|toBe\(|toEqual|toStrictEqual"
    r"|[dD]eep(?:Strict)?Equal|isEqualTo|strictEqual|\.equal\(|\.is\(|\.Equal\("
    r"|eq\(|assertSame|assertDictEqual"
    r"|assertListEqual|toHaveLength|cmp\.Diff|toMatchInlineSnapshot|to eq"
    r"|must_equal|should\.equal|raises|assertThrows"
    r"|toThrow|approx|AlmostEqual|toBeCloseTo"
)
"""Compares with one exact value, or names the exact error."""

LOOSE = re.compile(
    r"is not None|assertIsNotNone|assertTrue\b|isinstance|assertIsInstance"
    r"|toBeDefined|toBeTruthy|not\.toBeNull"
    r"|assertNotNull|isNotNull|NotNil|is_some\(\)|is_ok\(\)|\.ok\(|toBeInstanceOf"
    r"|not_to be_nil|assert_not_nil|!= null"
    r"|!= nil|!== undefined"
)
"""Says little more than that something is there."""

NEGATION = re.compile(
    r"!=|!(?!=)|\bnot\b|Not[A-Z]|\bnot_|_ne\b|\brefute|\.not\."
    r"|assertFalse|isFalse|toBeFalsy"
)
"""Turns what is said into its opposite."""

BROAD = re.compile(r"\b(?:Exception|BaseException|Throwable|Error|StandardError)\b")
"""Any error, where a certain one may have been asked for."""
