# `make demo` and `make test` are all that a fresh machine needs: Python >= 3.11, git, make; Node >= 20 for the page.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv from the machine if there is one, else installed beside the virtual environment.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)

.PHONY: help demo test torture check web format bench lock clean audit release

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo: $(VENV)/.runtime ## Set up, then let three agents fix a bug (no key needed)
	@test -f src/aideator/web/dist/index.html || echo "Building the web page (about 30 s) …"
	@$(PYTHON) web/build.py || true
	@$(BIN)/aideator demo

web: ## Build the page that `aideator serve` shows (Node 20, npm)
	$(PYTHON) web/build.py

test: $(VENV)/.dev ## Set up, then run every test
	@$(PYTHON) web/build.py || true
	$(BIN)/python tools/run_tests.py -n auto --dist worksteal

check: $(VENV)/.dev ## Lint, types, layers, secrets, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/check_generated.py
	$(BIN)/python tools/check_house_rules.py
	$(BIN)/python tools/check_secrets.py
	$(PYTHON) web/build.py check

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd web && npm run --silent format

TORTURE := 100
torture: $(VENV)/.dev ## Faults again and again: kill -9, disconnects, full disks, hostile bytes (TORTURE=100 times as often)
	TORTURE=$(TORTURE) $(BIN)/python -m pytest -n auto --dist worksteal tests/torture $(wildcard tests/fuzz)

bench: $(VENV)/.dev ## Measure beside named peers; prints ratios
	$(BIN)/python -m bench

audit: $(VENV)/release/.done ## Ask whether vulnerabilities are known in what is shipped
	$(VENV)/release/bin/python tools/audit.py

release: $(VENV)/release/.done ## Build wheel and sdist of HEAD, bit for bit the same each time
	$(VENV)/release/bin/python tools/release.py

AGENT := src/aideator/agents/builtin

# requirements.lock is what AIdeator needs to run (`make demo` installs no more), requirements-dev.lock that and the
# tools, requirements-release.lock what builds and audits a release. Both have hashes, hold for all platforms and name no registry; any installer that knows --require-hashes reads
# them. `uv.lock` would hold both, but names the registry that it was made with and needs uv, so git ignores it. A new
# dependency: pyproject.toml, `make lock`, and both locks in the same commit.
lock: $(VENV)/.dev ## Make the locks anew, and what a container installs for our agent (maintainers)
	$(UV) pip compile --quiet --universal --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header pyproject.toml --group dev -o requirements-dev.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --group release --python-version 3.11 -o requirements-release.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -c requirements.lock $(AGENT)/requirements.in -o $(AGENT)/requirements.txt
	$(BIN)/python tools/render_sbom.py

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* web/node_modules src/aideator/web/dist

# A stamp holds what was installed; it is older than a lock that has changed.
$(VENV)/bin/python:
	@command -v uv >/dev/null 2>&1 || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@test -x $@ || $(UV) venv --quiet --python $(PYTHON) $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (about 30 s) …"
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/release/.done: requirements-release.lock | $(VENV)/bin/python
	$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)/release
	VIRTUAL_ENV=$(VENV)/release $(UV) pip install --quiet --require-hashes -r requirements-release.lock
	@touch $@
