"""What tokens cost, from the price table that `genai-prices` bundles. No network.

Imported late: the table takes a third of a second to load, and a process that makes no
model call need not have it.
"""

from collections.abc import Mapping
from functools import lru_cache

from aideator.domain.usage import Usage

PROVIDER = "anthropic"


def load_prices() -> None:
    """Load the table now: done in a thread before the first call, so that no stream waits for it."""
    is_priced("")


def usage_of(counts: Mapping[str, object], models: tuple[str, ...]) -> Usage:
    """Turn the `usage` object of an Anthropic answer into one call's usage.

    Args:
        counts: The object as it came: `input_tokens` *without* cached tokens. What is
            no whole number counts as 0.
        models: Names to look the price up by, in order: what the answer says, then what
            the request asked for.
    """
    read, written = (
        _whole(counts, "cache_read_input_tokens"),
        _whole(counts, "cache_creation_input_tokens"),
    )
    details = counts.get("cache_creation")
    tokens = {
        "input_tokens": _whole(counts, "input_tokens") + read + written,
        "output_tokens": _whole(counts, "output_tokens"),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    hour = min(
        written,
        _whole(details, "ephemeral_1h_input_tokens")
        if isinstance(details, dict)
        else 0,
    )
    cost = _cost(models, cache_write_1h_tokens=hour, **tokens)
    return Usage(requests=1, cost_usd=cost, **tokens)


def estimate(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return US dollars for a call at its dearest, or None for a model without a known price."""
    dearest = _dearest(model)
    return (
        None
        if dearest is None
        else input_tokens * dearest[0] + output_tokens * dearest[1]
    )


@lru_cache(maxsize=256)
def _dearest(model: str) -> tuple[float, float] | None:
    """US dollars for an input and an output token of a very long call whose input is newly written to the cache.

    Kept, because a look-up takes half a millisecond and stands before the first byte.
    """
    many = 1_000_000
    given = _cost((model,), input_tokens=many, cache_write_tokens=many)
    both = _cost(
        (model,), input_tokens=many, cache_write_tokens=many, output_tokens=many
    )
    return (
        None if given is None or both is None else (given / many, (both - given) / many)
    )


def _cost(models: tuple[str, ...], **tokens: int) -> float | None:
    from genai_prices import Usage as Tokens  # noqa: PLC0415 - see the module's docstring
    from genai_prices import calc_price  # noqa: PLC0415

    known = next((model for model in models if is_priced(model)), None)
    if known is None:
        return None
    return float(calc_price(Tokens(**tokens), known, provider_id=PROVIDER).total_price)


@lru_cache(maxsize=256)
def is_priced(model: str) -> bool:
    """Whether the table has the model."""
    from genai_prices import Usage as Tokens  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    try:
        calc_price(Tokens(input_tokens=1, output_tokens=1), model, provider_id=PROVIDER)
    except LookupError:
        return False
    return True


def _whole(counts: Mapping[str, object], name: str) -> int:
    count = counts.get(name)
    return max(0, count) if isinstance(count, int) else 0
