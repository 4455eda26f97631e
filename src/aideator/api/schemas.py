"""Base classes of request and response bodies, and those that several routes share."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def openapi_examples(**values: Any) -> Any:
    """Return named examples of a request body, as OpenAPI lists them."""
    return {
        name: {"summary": name.replace("_", " "), "value": value}
        for name, value in values.items()
    }


class RequestBody(BaseModel):
    """A JSON body: unknown fields are errors, and values are not converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True
    )


class ResponseBody(BaseModel):
    """A JSON answer, whose attribute docstrings are the API's descriptions."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Accepted(ResponseBody):
    """A run was stored and will be carried out."""

    run_id: str
    stream_url: str
    """Where the run can be watched, relative to this server."""
    status: Literal["accepted"] = "accepted"
    estimated_duration_seconds: int
    """From the latest finished runs and the free slots; a guess before there are
    any."""


class FollowUp(RequestBody):
    """A follow-up turn."""

    prompt: str = Field(
        min_length=10, max_length=100_000, examples=["Also cover negative numbers"]
    )
