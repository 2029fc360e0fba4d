# Everything a person types. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.run-installed
DEV    := $(VENV)/.dev-installed

# Tests start hundreds of processes; each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up demo test test-pure check format bench soak lock clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

up: $(RUN) ## Set everything up and run the platform in the foreground
	$(BIN)/homing up

demo: $(RUN) ## Send 2,000 mails through a small simulated internet and show what happened
	$(BIN)/homing demo

test: $(DEV) ## Set everything up and pass the tests
	$(BIN)/python -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder

test-pure: $(DEV) ## Only the pure tests, in seconds
	$(BIN)/python -m pytest tests/rules tests/house -n 2 --dist worksteal

check: $(DEV) ## Lint, types, import contracts, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Format and fix what can be fixed
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .

bench: $(DEV) ## Measure against Postfix and write docs/benchmarks.md (minutes)
	$(BIN)/python -m bench

soak: $(DEV) ## Kill, stop and cut things under load until told otherwise (minutes)
	$(BIN)/python -m pytest tests/soak -m soak

lock: $(DEV) ## Pin the dependencies anew
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove the environment and the caches (never the data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "homing needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN): $(VENV)/.made requirements.lock pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
