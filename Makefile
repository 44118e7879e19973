# Needs Python 3.11 or newer and nothing else; everything is installed into .venv.
#   make test ARGS="-k commit --db sqlite"      options for the tool behind a target
#   make demo PYTHON=python3.13                 another interpreter (after make clean)

PYTHON ?= python3
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
OLDEST_VENV := .venv-oldest
OLDEST := $(shell sed -n 's/.*"sqlalchemy>=\([0-9.]*\).*/\1/p' pyproject.toml)
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --editable

.DEFAULT_GOAL := help
# Two installs into one environment must not overlap, whatever -j says.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-oldest test-loud test-memory soak soak-ropes lint format bench bench-smoke conformance clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(VENV)/demo.done ## import 28,000 airports and work with them
	$(PY) -m ropewalk demo $(ARGS)

test: $(VENV)/test.done ## the tests, on every database that answers
	$(PY) -m pytest -n 2 $(ARGS)

test-oldest: $(OLDEST_VENV)/test.done ## the tests, on the oldest SQLAlchemy that will do
	$(OLDEST_VENV)/bin/python -m pytest -n 2 $(ARGS)

# Statements go through Connection.execute when somebody listens to them; here all of them do.
test-loud: $(VENV)/test.done ## the behaviour tests with every statement through Core's execute
	ROPEWALK_FAST_PATH=0 $(PY) -m pytest -n 2 tests/features tests/seeds --db sqlite $(ARGS)

test-memory: $(VENV)/test.done ## the behaviour tests on SQLite in memory
	$(PY) -m pytest -n 2 tests/features tests/seeds --db sqlite_memory $(ARGS)

# Elsewhere with make soak SOAK="--url postgresql+psycopg://... --processes 8 --seconds 600".
SOAK ?= --url sqlite:///$(CURDIR)/build/soak.db --processes 8 --seconds 600

soak: $(VENV)/test.done ## ten minutes of transfers by eight processes, some of which are killed
	@mkdir -p build
	cd tests && $(abspath $(PY)) -m faults.soak $(SOAK)

soak-ropes: $(VENV)/test.done ## ropes under load, and what else has a long form
	ROPEWALK_SOAK=1 $(PY) -m pytest tests/ropes/test_load.py tests/ropes/test_tasks.py tests/faults/test_interrupts.py \
		tests/features/test_property_model.py $(ARGS)

lint: $(VENV)/lint.done ## style, types and the floors of ARCHITECTURE.md
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/lint.done ## let ruff put the files in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/test.done ## measure against SQLAlchemy's ORM and the bare driver
	$(PY) -m bench $(ARGS)

bench-smoke: $(VENV)/test.done ## the benchmark with few rows: does it run at all?
	$(PY) -m bench --smoke $(ARGS)

# Peers save statements by design; these tests count the statements of a session without them.
conformance: $(VENV)/test.done ## SQLAlchemy's own ORM tests; result in build/conformance.json
	@mkdir -p build
	ROPEWALK_PEERS=0 $(PY) conformance/run.py --package ropewalk --path src --set dev --sql count \
		--json build/conformance.json $(ARGS)

clean: ## remove what these targets made
	rm -rf $(VENV) $(OLDEST_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench conformance -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is newer than pyproject.toml as long as its extras are installed.

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Ropewalk needs Python 3.11 or newer, and '$(PYTHON)' is not; try: make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.done: pyproject.toml | $(PY)
	$(INSTALL) '.[demo]'
	@touch $@

$(VENV)/test.done: pyproject.toml | $(PY)
	$(INSTALL) '.[demo,test]'
	@touch $@

$(VENV)/lint.done: pyproject.toml | $(PY)
	$(INSTALL) '.[demo,lint,test]'
	@touch $@

$(OLDEST_VENV)/test.done: pyproject.toml | $(PY)
	test -x $(OLDEST_VENV)/bin/python || $(PY) -m venv $(OLDEST_VENV)
	$(OLDEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[demo,test]' 'sqlalchemy==$(OLDEST)'
	@touch $@
