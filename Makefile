# What you can do here. Everything is installed into .venv, from lock files with hashes; nothing outside this folder changes.
#
#   make demo      the whole product on this machine, with a pretend Shopify and Mailchimp (ARGS="--people 2000" and so on)
#   make test      all tests (ARGS="tests/unit -k consent" for some)
#   make lint      style, types, layers, migrations
#   make format    let ruff mend what it can
#   make bench     figures against yardsticks, into build/bench.json
#   make lock      choose newer packages: writes requirements/*.txt

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench lock dev clean

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
ARGS ?=
# The embedded Redis has wheels for 3.11 to 3.13; a newer Python needs a redis-server on the PATH or a C compiler.
PYTHONS := python3 python3.12 python3.11 python3.13 python3.14 python

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.local
	@$(BIN)/shopchimp demo $(ARGS)

test: $(VENV)/.dev
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PY) -m shopchimp.local.alembic_check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(PY) -m benchmarks $(ARGS)

dev: $(VENV)/.dev

# A stamp is as new as what was installed: nothing is asked of the network while pyproject.toml and the lock stay as they are.
$(VENV)/.local: requirements/local.txt pyproject.toml | $(PY)
	$(call install,local)

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(PY)
	$(call install,dev)

define install
@echo "Installing the packages of requirements/$(1).txt into $(VENV) (once; a minute or two)"
@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/$(1).txt || { \
	echo "Could not install exactly what requirements/$(1).txt pins, see pip's words above."; \
	echo " - 'No matching distribution': no wheel for $$($(PY) -V) on this system; remove $(VENV) and try make PYTHON=python3.12"; \
	echo " - 'hashes do not match': the index you use serves other files than the ones tested; do not go on"; \
	echo " - no connection: pip follows PIP_INDEX_URL, PIP_PROXY and pip.conf"; exit 1; } >&2
@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
@touch $(VENV)/.$(1)
endef

$(PY):
	@for least in 'sys.version_info < (3, 14)' 'True'; do for python in $(or $(PYTHON),$(PYTHONS)); do \
		if $$python -c "import sys, venv, ensurepip; sys.exit(not (sys.version_info >= (3, 11) and $$least))" 2>/dev/null; then \
			echo "Making $(VENV) with $$($$python -V)"; exec $$python -m venv $(VENV); \
		fi; done; done; \
	echo "No Python 3.11 or later with its venv module here (on Debian: python3 and python3-venv)." >&2; exit 1

# Addresses of package indexes stay out: hashes alone say which files are meant.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

lock: | $(PY)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra local \
		--constraint requirements/build.txt --constraint requirements/runtime.txt --output-file requirements/local.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra local --group dev \
		--constraint requirements/local.txt --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
