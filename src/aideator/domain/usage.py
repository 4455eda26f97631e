"""What a run may spend (`Budget`) and what it has spent (`Usage`)."""

from pydantic import BaseModel, ConfigDict, Field


class Usage(BaseModel):
    """Tokens and money as the gateway counted them; never an agent's own word.

    `input_tokens` includes cached tokens, as `genai-prices` counts them.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    requests: int = 0
    """Model calls that were answered, also partly."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = 0.0
    """US dollars; null as soon as one call was answered by a model without a known
    price."""

    def __add__(self, other: "Usage") -> "Usage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0)
            if known
            else None,
        )

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class Budget(BaseModel):
    """Caps that the gateway enforces. A missing cap does not bind."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    run_usd: float | None = Field(default=None, gt=0, strict=True)
    """US dollars for all variations together."""
    variation_usd: float | None = Field(default=None, gt=0, strict=True)
    """US dollars for each variation."""
    run_tokens: int | None = Field(default=None, gt=0, strict=True)
    """Input and output tokens for all variations together."""
    variation_tokens: int | None = Field(default=None, gt=0, strict=True)
    """Input and output tokens for each variation."""
