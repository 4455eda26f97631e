"""`python -m aideator.testing.model`: the scripted model as a process."""

import argparse
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence

from aideator.testing.model.api import ModelApi
from aideator.testing.model.scenario import ScenarioError, load
from aideator.testing.model.server import ModelServer, listen


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, the end of standard input."""
    parser = argparse.ArgumentParser(
        prog="python -m aideator.testing.model",
        description="The scripted model server.",
    )
    parser.add_argument(
        "--scenario", required=True, help="a shipped scenario's name, or a YAML file"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--at-once", action="store_true", help="leave the scenario's delays out"
    )
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when standard input ends"
    )
    options = parser.parse_args(arguments)
    try:
        scenario = load(options.scenario)
    except ScenarioError as error:
        parser.exit(2, f"{error}\n")
    # Requests are kept for tests only.
    api = ModelApi(
        scenario.at_once() if options.at_once else scenario, requests=deque(maxlen=0)
    )
    server = ModelServer(api, listen(options.host, options.port))
    if options.exit_with_parent:
        threading.Thread(
            target=_stop_at_end_of_input, args=[server], daemon=True
        ).start()
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    server.run_until_stopped()


def _stop_at_end_of_input(server: ModelServer) -> None:
    # Not sys.stdin: a thread that holds its lock at exit would abort the interpreter.
    while os.read(0, 4096):
        continue
    server.should_exit = True


if __name__ == "__main__":
    main()
