"""Validation of a submission, before anything is stored or paid for."""

from aideator.agents.catalog import validate_agent, validate_judge
from aideator.app.sources import source_policy
from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.run import MIN_PROMPT, AgentConfig, RunSpec
from aideator.repositories.source import parse_source
from aideator.repositories.uncommitted import HEAD
from aideator.settings import Settings, check_prompt_and_lineup
from aideator.setup.network import AUTO


def validate_submission(
    settings: Settings, spec: RunSpec, *, local: bool, own: bool
) -> None:
    """Check a submission against the settings and the catalogue of agents.

    Args:
        settings: Limits, allowed hosts, the model.
        spec: The submission.
        local: Whether it may name a path on this machine.
        own: Whether it comes from the user who runs this, so that it may name files
            that are in no commit.

    Raises:
        InvalidInput: naming every wrong field.
    """
    check_prompt_and_lineup(settings, spec.prompt, spec.variations)
    parse_source(spec.repo_url, source_policy(settings, local=local, ssh=own))
    errors: list[FieldError] = _working_tree_errors(spec, own=own)
    if spec.allowed_hosts and AUTO not in settings.setup_allowed_hosts:
        message = (
            "this server's SETUP_ALLOWED_HOSTS is closed to further hosts; with `auto`"
            " in it, a run may name some"
        )
        errors.append(FieldError("allowed_hosts", message))
    for agent in dict.fromkeys(spec.agents()):
        errors += validate_agent(agent)
    if spec.comparison.judge is not None:
        errors += _judge_errors(settings, spec.comparison.judge)
    if errors:
        raise InvalidInput(fields=errors)


def _working_tree_errors(spec: RunSpec, *, own: bool) -> list[FieldError]:
    """Return what is wrong about taking files along that are in no commit."""
    asked = {
        "include_uncommitted": spec.include_uncommitted,
        "include_ignored": bool(spec.include_ignored),
    }
    if not own:
        message = "only the user who runs the server can use what is in no commit"
    elif not spec.repo_url.startswith("/"):
        message = "only a repository on this machine has files that are in no commit"
    elif spec.ref not in HEAD:
        message = "the working tree belongs to HEAD; leave out the ref"
    else:
        return []
    return [FieldError(field, message) for field, wanted in asked.items() if wanted]


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
