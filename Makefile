# Everything sets itself up in .venv, from python3 (3.10 or newer, with venv) and the project's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
JOBS ?= auto
TESTS ?= tests

.PHONY: help demo test test-faults test-peers test-servers test-pythons lint format bench docs clean
.NOTPARALLEL:

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 14

# An environment can't be moved: after a move of the checkout it is made anew.
ifneq ($(shell cat $(VENV)/place 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/place
endif
$(VENV)/place:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	@echo "setting up $(VENV) …" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@printf '%s\n' "$(CURDIR)" >"$@"

$(VENV)/demo: pyproject.toml $(VENV)/place
	@$(PIP) install -e '.[demo]'
	@touch "$@"

$(VENV)/test: pyproject.toml $(VENV)/place
	@$(PIP) install -e '.[test,demo]'
	@touch "$@"

$(VENV)/lint: pyproject.toml $(VENV)/place
	@$(PIP) install -e '.[test,lint]'
	@touch "$@"

demo: $(VENV)/demo ## the main job on real input, step by step
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/quickstart.sh
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/operate.sh

test: $(VENV)/test ## all tests but the slow ones and those that need root
	@$(PYTEST) -n $(JOBS) -m 'not root and not slow and not peers' $(TESTS)

test-faults: $(VENV)/test ## faults: the slow tests, and those that need root; tells what it skipped
	@for tool in strace mkfs.ext4 losetup; do \
	    command -v $$tool >/dev/null || echo "skipped: tests that need $$tool (it is not installed)"; \
	done; \
	if [ "$$(id -u)" = 0 ]; then which='root or slow'; \
	else which='slow and not root'; echo "skipped: tests marked root (this is user $$(id -un))"; fi; \
	$(PYTEST) -n $(JOBS) -m "$$which" tests || { code=$$?; [ $$code = 5 ] && echo "no test is marked so" || exit $$code; }

# Other tools take a gigabyte: they have an environment of their own. Where they can't be had, that is said, and is no failure.
PEERS := .venv-peers
test-peers: pyproject.toml ## with the real MLflow, BentoML, Hugging Face, DVC and CycloneDX
	@{ test "$$(cat $(PEERS)/place 2>/dev/null)" = "$(CURDIR)" && test $(PEERS)/place -nt pyproject.toml; } || { \
	    echo "setting up $(PEERS) …" >&2; \
	    $(PYTHON) -m venv --clear $(PEERS) && \
	    $(PEERS)/bin/python -m pip --quiet --disable-pip-version-check --no-input install -e '.[peers]' && \
	    printf '%s\n' "$(CURDIR)" >$(PEERS)/place; \
	} || { echo "skipped: the tools that tests/peers needs could not be installed"; exit 0; }; \
	test ! -e $(PEERS)/place || \
	    $(PEERS)/bin/python -m pytest -p no:cacheprovider -m peers --durations 10 tests/peers

test-servers: ## with the real Triton and MLServer, each in an environment of its own
	@for each in triton=nvidia-pytriton mlserver=mlserver,mlserver-sklearn; do \
	    folder=.venv-$${each%%=*}; test -e $$folder/done || { echo "setting up $$folder …" >&2; $(PYTHON) -m venv --clear $$folder && \
	    $$folder/bin/python -m pip --quiet --disable-pip-version-check --no-input install $$(echo $${each#*=} | tr , ' ') && \
	    touch $$folder/done; } || { echo "skipped: $$each could not be installed"; rm -rf $$folder; }; done
	@$(PYTEST) -m peers -s tests/peers/test_serving.py

test-pythons: ## make test on every supported Python found, each in an environment of its own; prints those not found
	@for version in $$(bash .ci/pythons missing); do echo "skipped: Python $$version (not found on this machine)"; done
	@failed=; for version in $$(bash .ci/pythons found | cut -f1); do \
	    echo "== Python $$version"; JOBS=$(JOBS) bash .ci/pythons test $$version $(TESTS) || failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "failed on Python$$failed"; exit 1; }

lint: $(VENV)/lint ## linters, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/lint ## bring the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Measured as a user has it: installed, in an environment of its own, not as a link to this folder.
bench: pyproject.toml ## speed, each figure as a ratio to its floor in the same run: make bench BENCH='--only start'
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv --clear .venv-bench
	@rm -rf build
	@.venv-bench/bin/python -m pip --quiet --disable-pip-version-check --no-input install .
	@.venv-bench/bin/python -m pip --quiet --disable-pip-version-check --no-input install --force-reinstall --no-deps .
	@.venv-bench/bin/python -m tests.benchmarks.bench $(BENCH)

docs: $(VENV)/test ## docs/reference, and the schemas of the settings, from the code
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/schemas.py

clean: ## remove all that was made
	@for made in .demo .bench; do if [ -d $$made ]; then chmod -R u+w $$made; fi; done
	rm -rf $(VENV) .venv-* .demo .bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
