# Everything sets itself up in .venv, from python3 with venv and the project's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider -n 2

.PHONY: help demo test test-faults lint format bench docs clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(VENV)/made: pyproject.toml
	@test -x "$(BIN)/python" || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -e '.[test,lint,demo]'
	@touch "$@"

demo: $(VENV)/made ## the main job on real input, step by step
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/quickstart.sh

test: $(VENV)/made ## all tests but those that need root
	@$(PYTEST) -m 'not root' tests

test-faults: $(VENV)/made ## faults that need root, strace or loop mounts; tells what it skipped
	@$(BIN)/python -m pytest -p no:cacheprovider -m root -rs tests

lint: $(VENV)/made ## linters, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/made ## bring the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/made ## speed, each figure as a ratio to its floor in the same run
	@$(BIN)/python -m tests.benchmarks.bench $(BENCH)

docs: $(VENV)/made ## docs/reference from the code
	@$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .demo .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
