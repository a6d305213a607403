# make demo: a service with content to try · make test: the tests · make help: the rest

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
# How many tests run at the same time.
JOBS ?= 2
# Passed on to pytest: make test ARGS="-k search"
ARGS ?=
# Passed on to the resolver: make lock LOCK_FLAGS=--upgrade
LOCK_FLAGS ?=

PIP_FLAGS := --quiet --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest
TIERED := $(PYTEST) -n $(JOBS) --dist=loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo clients install test slow prove lint format types layers check lock docs clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(BIN)/.run ## Serve 200 made-up frames on 127.0.0.1:8000 (or ENTREPOT_PORT), kept in ./demo-data.
	@exec $(BIN)/python -m entrepot.demo

clients: $(CLIENTS)/.installed ## Install the released clients into .venv-clients, to try them and for the tests.

install: $(BIN)/.run ## Make .venv with what the service needs, from locks/run.txt.

test: $(BIN)/.dev $(CLIENTS)/.installed ## Run the tests, but for the slow ones; what needs an absent server is skipped.
	$(TIERED) -m "not slow" $(ARGS)

slow: $(BIN)/.dev $(CLIENTS)/.installed ## Run the slow tests: whole processes, clients, crashes.
	$(TIERED) -m slow $(ARGS)

prove: $(BIN)/.dev ## Measure at the sizes that the issues name, a million frames; takes half an hour.
	$(BIN)/python bench/archive.py --frames 1000000 --database both $(ARGS)

lint: $(BIN)/.dev ## Check style and form.
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(BIN)/.dev ## Put the code into form, and mend what can be mended by itself.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(BIN)/.dev ## Check the types.
	$(BIN)/pyright

layers: $(BIN)/.dev ## Check that imports point down only.
	$(BIN)/lint-imports --no-cache

check: lint types layers test ## All checks but the slow tests.

docs: $(BIN)/.dev ## Write docs/operate/settings.md anew from the settings' own descriptions.
	$(BIN)/python -m tests.architecture.settings_page

LOCK := pip compile --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet $(LOCK_FLAGS)

lock: | $(BIN)/.made ## Resolve the lock files anew (LOCK_FLAGS=--upgrade: with the newest releases).
	@uv=$$(command -v uv) || { $(BIN)/python -m pip install $(PIP_FLAGS) uv && uv=$(BIN)/uv; }; set -ex; \
	"$$uv" $(LOCK) pyproject.toml --group build --group dev -o locks/dev.txt; \
	"$$uv" $(LOCK) pyproject.toml --group build -c locks/dev.txt -o locks/run.txt; \
	"$$uv" $(LOCK) --group clients -o locks/clients.txt

clean: ## Remove what make made, but for the data.
	rm -rf $(VENV) $(CLIENTS) .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist

# Each stamp says that what stands before the colon was installed from what stands behind it.

$(BIN)/.made:
	@for python in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -m venv $(VENV) && touch $@ && exit 0; exit 1; \
		fi; \
	done; \
	echo "Entrepôt needs Python 3.11 or newer with its venv module, and found none: install it" \
		"(Debian, Ubuntu: python3.11 and python3.11-venv) or name it: make PYTHON=/path/to/python." >&2; \
	exit 1

$(BIN)/.run: locks/run.txt pyproject.toml $(BIN)/.made
	@echo "Installing what Entrepôt needs into $(VENV); the first time this takes about a minute."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r locks/run.txt
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/.dev: locks/dev.txt $(BIN)/.run
	@echo "Installing what the tests need into $(VENV)."
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r locks/dev.txt
	@touch $@

$(CLIENTS)/.installed: locks/clients.txt $(BIN)/.made
	@echo "Installing the released clients into $(CLIENTS), for the tests alone."
	@$(BIN)/python -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r locks/clients.txt
	@touch $@
