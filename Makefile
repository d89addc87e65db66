# gpuspawner: `make help` lists what there is. Needs git, make and Python 3.10 or newer with venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
CLOUD ?= ec2
# How many processes run tests.
WORKERS ?= 2
# Passed to pytest: make test ARGS='-k proxy'
ARGS ?=

export CLOUD DEMO_PORT_BASE DEMO_ADMIN_TOKEN DEMO_DIR DEMO_CONFIG DEMO_LIBRARIES
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help demo test faults bench check docs front locale clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## a hub on an emulated cloud, at http://127.0.0.1:8000 (CLOUD, DEMO_PORT_BASE, DEMO_DIR)
	@scripts/environment.sh $(VENV) demo
	@exec $(BIN)/gpuspawner demo --cloud $(CLOUD)

test: ## every test: style, types, layers, then pytest from the quick to the slow, then the docs
	@scripts/environment.sh $(VENV) test
	@scripts/browser.sh $(BIN)
	@$(MAKE) check
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder $(ARGS)

faults: ## the long fault sweeps, of which 'make test' runs a sample (CLOUD: ec2 or azure)
	@scripts/environment.sh $(VENV) test
	@GPUSPAWNER_FAULTS=all $(BIN)/python -m pytest -m faults -n $(WORKERS) --no-loadscope-reorder $(ARGS)

bench: ## the benchmarks: a table each, and JSON under build/benchmarks
	@scripts/environment.sh $(VENV) test
	@scripts/bench.sh $(BIN)

check: ## style, types and layers
	@scripts/environment.sh $(VENV) test
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: ## the documentation, under docs/_build/html
	@scripts/environment.sh $(VENV) test
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

front: ## build JupyterLab's side of labs_extension again (ARGS=--check: compare with what is committed)
	@scripts/environment.sh $(VENV) test
	@$(BIN)/python scripts/front.py $(ARGS)

locale: ## bring the translations up to date with the sentences in the code
	@scripts/environment.sh $(VENV) test
	@$(BIN)/python scripts/translations.py

clean: ## remove everything that was made here: environment, demo, caches
	@rm -rf $(VENV) .demo build dist docs/_build docs/generated .mypy_cache .pytest_cache \
	  .ruff_cache .hypothesis .import_linter_cache *.egg-info .coverage .coverage.*
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
