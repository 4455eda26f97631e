"""Ask whether vulnerabilities are known in what AIdeator ships.

    make audit

`pip-audit` asks about requirements.lock, `npm audit` about the packages of the page.
Where a service cannot be asked, as offline, that is said, and it is no failure; with
`--strict` it is one.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class NotAsked(Exception):
    """The service could not be asked, or does not know the packages."""


def python_findings(report: Any) -> list[str]:
    """Return the vulnerabilities in a report of `pip-audit --format json`.

    Raises:
        NotAsked: if it knows none of the packages.
    """
    packages = report["dependencies"]
    if all("skip_reason" in package for package in packages):
        raise NotAsked(f"the service knows none of {len(packages)} packages")
    for package in packages:
        if "skip_reason" in package:
            sys.stdout.write(f"  not audited: {package['skip_reason']}\n")
    return [
        f"{package['name']} {package['version']}: {found['id']}"
        for package in packages
        for found in package.get("vulns", ())
    ]


def npm_findings(report: Any) -> list[str]:
    """Return the vulnerabilities in a report of `npm audit --json`.

    Raises:
        NotAsked: if it is no report.
    """
    if "vulnerabilities" not in report:
        error = report.get("error") or {}
        raise NotAsked(error.get("summary") or report.get("message") or "no report")
    return [
        f"{name} {found['range']}: {found['severity']}"
        for name, found in report["vulnerabilities"].items()
    ]


def audit(
    name: str, command: Iterable[str | Path], findings: Callable[[Any], list[str]]
) -> list[str] | None:
    """Run an auditor, print what it found and return that; None if it could not ask."""
    done = subprocess.run(
        [*command], cwd=ROOT / "web", capture_output=True, text=True, check=False
    )
    try:
        found = findings(json.loads(done.stdout))
    except (NotAsked, json.JSONDecodeError) as error:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        why = str(error) if isinstance(error, NotAsked) else last
        sys.stdout.write(f"{name}: skipped, as it could not ask: {why}\n")
        return None
    sys.stdout.write(f"{name}: {len(found) or 'no'} known vulnerabilities\n")
    sys.stdout.writelines(f"  {line}\n" for line in found)
    return found


def main(*arguments: str) -> int:
    """Run both; the exit code says whether something was found."""
    results = [
        audit(
            "pip-audit",
            [
                Path(sys.executable).with_name("pip-audit"),
                *("--requirement", ROOT / "requirements.lock", "--require-hashes"),
                *("--disable-pip", "--format", "json", "--progress-spinner", "off"),
            ],
            python_findings,
        )
    ]
    if npm := shutil.which("npm"):
        command = [npm, "audit", "--omit", "dev", "--json"]
        results.append(audit("npm audit", command, npm_findings))
    else:
        sys.stdout.write("npm audit: skipped, as there is no npm\n")
        results.append(None)
    is_incomplete = "--strict" in arguments and None in results
    return int(is_incomplete or any(results))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
