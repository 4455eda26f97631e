"""Base classes of request and response bodies, and those that several routes share."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aideator.domain.run import MIN_PROMPT, RunSpec

MIN_SUBMITTED_PROMPT = 10
"""Fewest characters of a prompt that a program submits, which may be a mistake of it.

People type shorter ones: the command line and the page say so by `short_prompt`."""


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


class Submission(RunSpec):
    """A submission. Whether a short prompt is taken depends on `short_prompt`."""

    prompt: str = Field(
        min_length=MIN_PROMPT,
        max_length=100_000,
        examples=["Refactor the main function"],
        json_schema_extra={"minLength": MIN_SUBMITTED_PROMPT},
    )
    """The task for the agents: at least 10 characters, with `short_prompt=true` 3."""


class FollowUp(RequestBody):
    """A follow-up turn."""

    prompt: str = Field(
        min_length=MIN_PROMPT,
        max_length=100_000,
        examples=["Also cover negative numbers"],
    )
