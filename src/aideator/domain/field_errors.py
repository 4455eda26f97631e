"""Words for a field that is not valid, in place of pydantic's.

The message says what the field takes, so that it reads well behind the field's name:
`variations: at least 1; not 0`. Kinds of errors that are not listed keep pydantic's
words (https://docs.pydantic.dev/latest/errors/validation_errors/).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SHOWN_CHARACTERS = 60

IT_IS_MISSING = "it is missing"
_PATTERNS = {"^https?://": "an address that begins with http:// or https://"}
"""Patterns in words."""
_WORDS = {
    "missing": IT_IS_MISSING,
    "extra_forbidden": "there is no such field",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length}; not {actual_length}",
    "too_long": "at most {max_length}; not {actual_length}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "finite_number": "a finite number",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "string_type": "a text",
    "string_unicode": "a text of valid Unicode",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "fields with values",
    "model_type": "fields with values",
    "model_attributes_type": "fields with values",
    "mapping_type": "fields with values",
    "none_required": "nothing",
}
_COMPLETE = frozenset({"missing", "extra_forbidden", "too_short", "too_long"})
"""Kinds whose words say what was given, or for which nothing was."""


def field_message(error: "ErrorDetails", *, show_value: bool = True) -> str:
    """Return what a field takes, and what was given instead.

    Args:
        error: One of pydantic's `ValidationError.errors()`.
        show_value: Whether the value may be shown. A secret may not.
    """
    kind = error["type"]
    words = _WORDS.get(kind) or _words_of_pattern(error)
    if words is None:
        return error["msg"].removeprefix("Value error, ")
    message = words.format(**error.get("ctx", {}))
    message = message.replace(" 1 characters", " 1 character")
    if kind in _COMPLETE or not show_value:
        return message
    return f"{message}; not {_given(error['input'])}"


def _words_of_pattern(error: "ErrorDetails") -> str | None:
    pattern = error.get("ctx", {}).get("pattern")
    return None if pattern is None else _PATTERNS.get(pattern, "of the form {pattern}")


def _given(value: object) -> str:
    """Return a value as it was written; a long text or a structure only by its kind."""
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        return f"{len(value)} characters"
    if isinstance(value, dict | list | tuple):
        return "a list" if not isinstance(value, dict) else "fields with values"
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value) if isinstance(value, str) else str(value)
