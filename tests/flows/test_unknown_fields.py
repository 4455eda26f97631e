"""What an agent's newer version sends is told, or refused under ISOLATION_POLICY."""

from pathlib import Path

import pytest

from aideator.domain.isolation import IsolationPolicy
from tests.actions import user

CALL = """
import json, os, urllib.request
pairs = open(f"/proc/{os.environ['AGENT']}/environ").read().split("\\0")
agent = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
body = {"model": "m", "novelty": 1, "messages": [{"role": "user", "content": "hi"}]}
request = urllib.request.Request(
    agent["ANTHROPIC_BASE_URL"] + "/v1/messages/count_tokens",
    json.dumps(body).encode(),
    {"x-api-key": agent["ANTHROPIC_AUTH_TOKEN"], "anthropic-version": "2023-06-01"},
)
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
SCRIPT = f"AGENT=$PPID python3 - <<'E' > said.txt\n{CALL}\nE\n"
SCENARIO = {
    "lanes": {"default": [{"calls": [{"bash": {"command": SCRIPT}}]}, {"say": "Done."}]}
}


@pytest.mark.parametrize("policy", list(IsolationPolicy))
async def test_an_unknown_field_is_told_once_or_refused(
    home: Path, repo: Path, policy: IsolationPolicy
) -> None:
    async with user(home, repo, SCENARIO, isolation_policy=policy) as person:
        done = await person.asks_and_waits(variations=1, checks=[])
        patch = (await person.app.patch(done.id, 1)).decode()
    (variation,) = done.variations
    assert variation.verdict is not None
    notices = [note for note in variation.verdict.notes if "novelty" in note]
    if policy is IsolationPolicy.ANY:
        assert "+200" in patch
        assert len(notices) == 1
    else:
        assert "+400" in patch
        assert f"ISOLATION_POLICY={policy} refuses" in patch
        assert notices == []
