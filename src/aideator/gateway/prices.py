"""Prices of tokens, from the table that `genai-prices` bundles. No network.

`genai-prices` is imported late: the table takes a third of a second to load, and a
process that makes no model call need not have it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from aideator.domain.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

PROVIDER = "anthropic"
_COUNT_MAX = 10**12
"""The highest count of tokens. Prices are floats, which JSON's integers exceed."""


class Rates(NamedTuple):
    """What one call is charged: its input, and each token of output after it."""

    input_tokens: int
    input_usd: float
    output_usd: float


class ModelFacts(NamedTuple):
    """What the table says of a model: US dollars for a million tokens, and its size."""

    input_usd: float
    output_usd: float
    context_tokens: int | None


def load_prices() -> None:
    """Load the table now.

    Done in a thread before the first call, so that no stream waits for it.
    """
    is_priced("")


def usage_of(counts: Mapping[str, object], models: tuple[str, ...]) -> Usage:
    """Turn the `usage` object of an Anthropic answer into one call's usage.

    Args:
        counts: The object as it came: `input_tokens` *without* cached tokens. What is
            no whole number counts as 0.
        models: Names to look the price up by, in order: what the answer says, then what
            the request asked for.
    """
    tokens = _tokens(counts)
    cost = _cost(models, cache_write_1h_tokens=_written_for_an_hour(counts), **tokens)
    return Usage(requests=1, cost_usd=cost, **tokens)


def rates_of(counts: Mapping[str, object], models: tuple[str, ...]) -> Rates:
    """Return the rates of a call whose input is known.

    Args:
        counts: The `usage` object at the beginning of its answer.
        models: As for `usage_of`. Without a known price the rates are 0.
    """
    many = 1_000
    tokens = {**_tokens(counts), "output_tokens": 0}
    hour = _written_for_an_hour(counts)
    given = _cost(models, cache_write_1h_tokens=hour, **tokens) or 0.0
    tokens["output_tokens"] = many
    both = _cost(models, cache_write_1h_tokens=hour, **tokens) or 0.0
    return Rates(tokens["input_tokens"], given, (both - given) / many)


def _tokens(counts: Mapping[str, object]) -> dict[str, int]:
    read = _total(counts, "cache_read_input_tokens")
    written = _total(counts, "cache_creation_input_tokens")
    return {
        "input_tokens": _total(counts, "input_tokens") + read + written,
        "output_tokens": _total(counts, "output_tokens"),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }


def _written_for_an_hour(counts: Mapping[str, object]) -> int:
    """Return the part of the cache writes that is kept, and priced, for an hour."""
    hour = 0
    for part in _parts(counts):
        details = part.get("cache_creation")
        if isinstance(details, dict):
            written = _whole(part, "cache_creation_input_tokens")
            hour += min(written, _whole(details, "ephemeral_1h_input_tokens"))
    return hour


def _total(counts: Mapping[str, object], name: str) -> int:
    return sum(_whole(part, name) for part in _parts(counts))


def _parts(counts: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return what the call consists of: compactions are charged beside its counts.

    https://platform.claude.com/docs/en/build-with-claude/compaction
    """
    iterations = counts.get("iterations")
    entries = iterations if isinstance(iterations, list) else []
    compactions = [
        entry
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") == "compaction"
    ]
    return [counts, *compactions]


def estimate(
    model: str,
    input_tokens: int,
    output_tokens: int,
    *,
    cached_for_an_hour: bool = False,
) -> float | None:
    """Return US dollars for a call at its dearest; None for an unknown price."""
    dearest = _dearest(model, cached_for_an_hour=cached_for_an_hour)
    if dearest is None:
        return None
    return input_tokens * dearest[0] + output_tokens * dearest[1]


@lru_cache(maxsize=256)
def _dearest(model: str, *, cached_for_an_hour: bool) -> tuple[float, float] | None:
    """Return US dollars for an input and an output token at the highest rate.

    That is the rate of a very long call whose input is newly written to the cache.
    Kept, because a look-up takes half a millisecond and stands before the first byte.
    """
    many = 1_000_000
    written = {"input_tokens": many, "cache_write_tokens": many}
    if cached_for_an_hour:
        written["cache_write_1h_tokens"] = many
    given = _cost((model,), **written)
    both = _cost((model,), output_tokens=many, **written)
    if given is None or both is None:
        return None
    return given / many, (both - given) / many


def _cost(models: tuple[str, ...], **tokens: int) -> float | None:
    known = next((model for model in models if is_priced(model)), None)
    return None if known is None else float(_price(known, **tokens).total_price)


def _price(model: str, **tokens: int) -> "PriceCalculation":
    from genai_prices import Usage as Tokens  # noqa: PLC0415 - see the docstring above
    from genai_prices import calc_price  # noqa: PLC0415

    return calc_price(Tokens(**tokens), model, provider_id=PROVIDER)


@lru_cache(maxsize=256)
def is_priced(model: str) -> bool:
    """Return whether the table has the model."""
    try:
        _price(model, input_tokens=1, output_tokens=1)
    except LookupError:
        return False
    return True


@lru_cache(maxsize=256)
def facts_of(model: str) -> ModelFacts | None:
    """Return a model's prices and size; None for a model that the table lacks."""
    if not is_priced(model):
        return None
    few = 1_000  # below the size from which some models cost more
    of_input = _price(model, input_tokens=few)
    of_output = _price(model, output_tokens=few)
    return ModelFacts(
        round(float(of_input.total_price) * few, 4),
        round(float(of_output.total_price) * few, 4),
        of_input.model.context_window,
    )


def _whole(counts: Mapping[str, object], name: str) -> int:
    return whole_number(counts.get(name))


def whole_number(value: object) -> int:
    """Return a count of tokens; 0 for what is none, such as true or a fraction."""
    return min(max(0, value), _COUNT_MAX) if type(value) is int else 0
