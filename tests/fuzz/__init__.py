"""Every parser of hostile bytes, with documents that were valid once.

A property holds for each: no exception leaves it but those that it declares, what it
keeps is bounded, work and memory grow in proportion to the input (`work.py`), and what
a writer made is read back. Inputs are made in `strategies.py` from recorded ones.

| Hostile bytes | Parser | Test |
|---|---|---|
| ACP lines of an agent | `agents/jsonrpc.py`, `acp.py`, `translate.py` | test_agents |
| JUnit XML; JSON of jest, node | `checks/reports.py` | test_reports |
| coverage (Cobertura, lcov) | `checks/coverage.py` | test_reports |
| findings of linters | `checks/diagnostics.py` | test_reports |
| unittest, cargo, nextest, go, TAP | `checks/printed.py` | test_printed |
| patches | `changes/diff.py`, `fingerprint.py`, `compose.py` | test_changes |
| patches, as flags read them | `flags/` | test_changes |
| change archives of containers | `sandbox/dagger/inside/change.py` | test_changes |
| lines of a sandbox's link | `sandbox/link.py` | test_link |
| events of a provider's stream | `gateway/events.py`, `meter.py` | test_gateway |
| `.aideator.toml` | `setup/project.py`, `toml.py` | test_projects |
| `package.json`, `Makefile` … | `setup/guess_*.py` | test_projects |
| requests to the proxy of set-up | `setup/egress.py` | test_projects |
| `.env` | `settings.py` | test_projects |
| addresses of repositories | `repositories/source.py` | test_remotes |
| redirects and heads of servers | `repositories/remote.py` | test_remotes |
| answers of forges | `publishing/forge.py` | test_remotes |
| exported runs | `archive/format.py` | test_archive |
| terminal output | `workbench/screen.py` | test_screen |

What git prints (status, numstat, ls-tree, ls-remote) is git's own, with hostile names
in it; tests/changes and tests/repositories hold that over real git. Bodies of requests
to the gateway are in tests/gateway/test_strict_bodies.py, and the terminal of the page
in web/tests/workbench.test.ts.

No atheris: it has no coverage of what is C here (expat, json, re, zipfile), and the
Python around it is short enough for grammar-aware examples.
"""
