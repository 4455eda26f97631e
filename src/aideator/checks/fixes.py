"""What a user can do about a check that cannot run, in words to paste."""

from collections.abc import Sequence

from aideator.checks.dependencies import declared_modules
from aideator.checks.startup import KILLED, NO_TESTS, missing_python_module
from aideator.domain.check import Check, CheckResult
from aideator.domain.run import Run
from aideator.repositories.checkout import Checkout
from aideator.setup.guess_setup import guess_setup

_MAX_SECONDS = 3600
"""The longest time-out of a check."""


def way_out(
    check: Check,
    result: CheckResult,
    run: Run,
    checkout: Checkout,
    *,
    can_install: bool,
) -> str:
    """Return what to do about a check that cannot run on the base.

    Args:
        check: The check.
        result: Its result, with the reason.
        run: Whose set-up commands are repeated.
        checkout: The base, whose files say what the project needs.
        can_install: Whether set-up may reach any host.
    """
    if result.exit_code is None:
        fix = _for_one_that_is_stopped(check)
    elif result.could_not_run == NO_TESTS:
        fix = f'say where the tests are, as in --check "{check.command} FOLDER"'
    elif result.could_not_run == KILLED:
        fix = (
            "give each sandbox more: export AGENT_MEMORY_LIMIT=2g"
            " AGENT_PIDS_LIMIT=1024 (of a server that runs: `aideator server restart`)"
        )
    else:
        fix = _for_one_that_lacks_something(
            result, run, checkout, can_install=can_install
        )
    return f"{fix}; to go on without this check: --keep-going"


def _for_one_that_is_stopped(check: Check) -> str:
    seconds = min(_MAX_SECONDS, round(4 * check.timeout))
    return (
        f"name fewer tests with --check, or give them more time (`timeout: {seconds}`"
        " of the check, in .aideator.toml or --spec); where a hang is what is to be"
        f' fixed, let the check end it: --check "timeout 60 {check.command}"'
    )


def _for_one_that_lacks_something(
    result: CheckResult, run: Run, checkout: Checkout, *, can_install: bool
) -> str:
    setup = _setup(missing_python_module(result.could_not_run), run, checkout)
    if not setup:
        return (
            "install what is missing with --setup, or name another check with --check"
        )
    options = " ".join(f'--setup "{command}"' for command in setup)
    if can_install:
        return f"install what is missing: {options}"
    return (
        "let set-up reach its hosts (SETUP_ALLOWED_HOSTS=auto) and install what is"
        f" missing: {options}"
    )


def _setup(module: str, run: Run, checkout: Checkout) -> Sequence[str]:
    """Return set-up commands that may bring what is missing; empty where unknown.

    Args:
        module: The Python module that is missing; empty for something else.
        run: Its own commands did not bring it.
        checkout: Its files say what else is needed.
    """
    if run.setup:
        own = [command.command for command in run.setup]
        return [*own, _install(module)] if module else []
    guessed = [
        each.command for each in guess_setup(checkout.project, can_install=True)[0]
    ]
    if not module or module.lower() in declared_modules(checkout.project):
        return guessed
    return [*(guessed or ["python3 -m venv .venv"]), _install(module)]


def _install(module: str) -> str:
    return f"python -m pip install {module}"
