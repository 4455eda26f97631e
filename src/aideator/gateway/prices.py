"""What tokens cost, from the price table that `genai-prices` bundles. No network.

Imported late: the table takes a third of a second to load, and a process that makes no model call need not have it.
"""

from collections.abc import Mapping
from functools import cache

from aideator.domain.usage import Usage

PROVIDER = "anthropic"

_COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}


def load_prices() -> None:
    """Load the table now: done in a thread before the first call, so that no stream waits for it."""
    _known("")


def usage_of(counts: Mapping[str, object], models: tuple[str, ...]) -> Usage:
    """Turn the `usage` object of an Anthropic answer into one call's usage.

    Args:
        counts: The object as it came: `input_tokens` *without* cached tokens, and details such as `cache_creation`.
        models: Names to look the price up by, in order: what the answer says, then what the request asked for.
    """
    ours = {name: _whole(counts.get(theirs)) for name, theirs in _COUNTS.items()}
    ours["input_tokens"] += ours["cache_read_tokens"] + ours["cache_write_tokens"]
    return Usage(requests=1, cost_usd=_cost(counts, models), **ours)


def estimate(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return US dollars for a call at its dearest (all input newly written to the cache), or None without a price."""
    return _cost({"cache_creation_input_tokens": input_tokens, "output_tokens": output_tokens}, (model,))


def _cost(counts: Mapping[str, object], models: tuple[str, ...]) -> float | None:
    from genai_prices import extract_usage  # noqa: PLC0415 - see the module's docstring

    for model in models:
        if not _known(model):
            continue
        extracted = extract_usage({"model": model, "usage": {"input_tokens": 0, **counts}}, provider_id=PROVIDER)
        return float(extracted.calc_price().total_price)
    return None


@cache
def _known(model: str) -> bool:
    from genai_prices import Usage as Tokens  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    try:
        calc_price(Tokens(input_tokens=1, output_tokens=1), model, provider_id=PROVIDER)
    except LookupError:
        return False
    return True


def _whole(count: object) -> int:
    return max(0, count) if isinstance(count, int) else 0
