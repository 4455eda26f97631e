"""Validation of a submission, before anything is stored or paid for."""

from aideator.agents.catalog import validate_agent, validate_judge
from aideator.app.sources import source_policy
from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.run import MIN_PROMPT, AgentConfig, RunSpec
from aideator.repositories.source import parse_source
from aideator.settings import Settings, check_prompt_and_lineup


def validate_submission(settings: Settings, spec: RunSpec, *, local: bool) -> None:
    """Check a submission against the settings and the catalogue of agents.

    Args:
        settings: Limits, allowed hosts, the model.
        spec: The submission.
        local: Whether it may name a path on this machine.

    Raises:
        InvalidInput: naming every wrong field.
    """
    check_prompt_and_lineup(settings, spec.prompt, spec.variations)
    parse_source(spec.repo_url, source_policy(settings, local=local))
    errors: list[FieldError] = []
    for agent in dict.fromkeys(spec.agents()):
        errors += validate_agent(agent)
    if spec.comparison.judge is not None:
        errors += _judge_errors(settings, spec.comparison.judge)
    if errors:
        raise InvalidInput(fields=errors)


def validate_follow_up(settings: Settings, prompt: str) -> None:
    """Check the length of a follow-up prompt.

    Raises:
        InvalidInput: if it is too short or too long.
    """
    if len(prompt) < MIN_PROMPT:
        message = f"at least {MIN_PROMPT} characters; not {prompt!r}"
        raise InvalidInput(fields=[FieldError("prompt", message)])
    check_prompt_and_lineup(settings, prompt, 1)


def _judge_errors(settings: Settings, judge: AgentConfig) -> list[FieldError]:
    if not settings.has_a_model:
        message = "no ANTHROPIC_API_KEY is set and no key stored: no model to ask"
        return [FieldError("comparison.judge", message)]
    # Imported late: the price table takes long to load, and few runs have a judge.
    from aideator.gateway.prices import is_priced  # noqa: PLC0415

    # Another provider may offer models that the price table does not list.
    accepts = is_priced if settings.is_at_the_provider else lambda _: True
    return validate_judge(judge, accepts=accepts)
