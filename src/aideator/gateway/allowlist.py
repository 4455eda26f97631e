"""What may pass on the Messages wire, read from `messages.toml`."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from fnmatch import translate
from functools import cache, cached_property
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

NAME_MAX = 100
"""Characters of a name that are looked at."""


class Names(BaseModel):
    """Names that are known, and names that are refused, with the reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: frozenset[str] = frozenset()
    refused: Mapping[str, str] = Field(default_factory=dict)

    @cached_property
    def _known(self) -> re.Pattern[str]:
        return re.compile("|".join(translate(name) for name in self.known) or r"(?!)")

    @cached_property
    def _refused(self) -> list[tuple[re.Pattern[str], str]]:
        return [
            (re.compile(translate(name)), reason)
            for name, reason in self.refused.items()
        ]

    def knows(self, name: str) -> bool:
        """Return whether the name is known."""
        return name in self.known or self._known.match(name) is not None

    def reason_against(self, name: str) -> str | None:
        """Return why a name that is not known is refused; None if it is not."""
        return next(
            (reason for pattern, reason in self._refused if pattern.match(name)), None
        )


class Allowlist(BaseModel):
    """The tables of `messages.toml`, which says what each is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headers: Names
    query: Names
    fields: Names
    values: Mapping[str, frozenset[str]]
    counts: Names
    models: Names
    free: Names
    tools: Names
    blocks: Names
    sources: Names
    betas: Names

    @cached_property
    def guarded(self) -> Mapping[str, str]:
        """Names that mean something here, by what is left of them (`letters_of`)."""
        names = {
            *self.fields.known,
            *self.fields.refused,
            *self.values,
            *self.counts.known,
            *self.free.known,
            *("content", "definition", "source", "tool_changes", "type"),
        }
        return {letters_of(name): name for name in names}

    @cached_property
    def block_letters(self) -> frozenset[str]:
        """Kinds of content that are known, by what is left of them (`letters_of`)."""
        return frozenset(letters_of(kind) for kind in self.blocks.known)


@cache
def allowlist() -> Allowlist:
    """Return the table of the Messages wire."""
    text = files(__package__).joinpath("messages.toml").read_text(encoding="utf-8")
    return Allowlist.model_validate(tomllib.loads(text))


def letters_of(name: str) -> str:
    """Return what a lax parser may make of a name.

    Go matches fields without regard to case, protobuf takes `maxTokens` for
    `max_tokens`, C ends a text at its first NUL.
    """
    plain = name[:NAME_MAX].partition("\0")[0]
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    return "".join(filter(str.isalnum, plain.casefold()))
