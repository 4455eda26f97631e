"""Small projects in five languages, written from one description.

Only the text of a diff is read, never run: the expressions are plain calls that look
alike everywhere.
"""

from dataclasses import dataclass, field


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
    Test(
        "rounds_half_up",
        (
            ("round_cents(10.005)", "10.01"),
            ("round_cents(0)", "0"),
            ("round_cents(-2.5)", "-3"),
        ),
    ),
    Test("parses_empty_input", (('count(parse(""))', "0"),)),
    Test(
        "keeps_order",
        (('first(sort("b", "a"))', '"a"'), ('last(sort("b", "a"))', '"b"')),
    ),
    Test(
        "limits_length", (('len_of(clip("abcdef", 3))', "3"), ('clip("ab", 3)', '"ab"'))
    ),
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
        lines = "\n".join(self.body(test)).split("\n")
        body = "\n".join(self.indent + line for line in lines)
        marks = "".join(f"{self.mark_indent}{mark}\n" for mark in test.marks)
        return self.test.format(marks=marks, name=test.name, body=body)

    def project(self, tests: tuple[Test, ...] = TESTS) -> dict[str, str]:
        """All files."""
        return {self.path: self.render(tests), **self.files}
