"""A wrong field is told in plain words, whatever is wrong with it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aideator.domain.field_errors import field_message


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=2, max_length=5)] = "name"
    count: Annotated[int, Field(ge=1, lt=10)] = 1
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.5
    kind: Literal["a", "b"] = "a"
    lines: Annotated[list[str], Field(min_length=1, max_length=2)] = ["x"]
    inner: "Form | None" = None
    flag: bool = False


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "x", "at least 2 characters; not 'x'"),
        ("name", "x" * 6, "at most 5 characters; not 'xxxxxx'"),
        ("name", "x" * 1000, "at most 5 characters; not 1000 characters"),
        ("name", 7, "a text; not 7"),
        ("name", None, "a text; not None"),
        ("count", 0, "at least 1; not 0"),
        ("count", 12, "less than 10; not 12"),
        ("count", "many", "a whole number; not 'many'"),
        ("count", 1.5, "a whole number; not 1.5"),
        ("share", 0.0, "more than 0; not 0"),
        ("share", 2.0, "at most 1; not 2"),
        ("share", float("nan"), "a finite number; not nan"),
        ("kind", "c", "one of 'a' or 'b'; not 'c'"),
        ("lines", [], "at least 1; not 0"),
        ("lines", ["1", "2", "3"], "at most 2; not 3"),
        ("lines", "x", "a list; not 'x'"),
        ("inner", [1], "fields with values; not a list"),
        ("flag", "perhaps", "true or false; not 'perhaps'"),
        ("nonsense", 1, "there is no such field"),
    ],
)
def test_what_a_field_takes_is_told_and_what_was_given(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate({field: value})
    (error,) = caught.value.errors()
    assert field_message(error) == message
    assert repr(value) not in field_message(error, show_value=False)


def test_a_missing_field_is_called_missing() -> None:
    class Needed(BaseModel):
        name: str

    with pytest.raises(ValidationError) as caught:
        Needed.model_validate({})
    assert field_message(caught.value.errors()[0]) == "it is missing"
