# Everything one does with this repository. `make` alone lists it.

PYTHON3 ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check

PROJECTS := $(wildcard packages/*/pyproject.toml)
PACKAGES := $(patsubst %/pyproject.toml,%,$(PROJECTS))
CSRC := packages/common/csrc
CORE := packages/common/src/thalweg_common/_core.abi3.so
C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')
NPM_CLIENTS := tests/interop/webtorrent/node_modules/.package-lock.json
PYTHON_FILES = $(shell git ls-files --cached --others --exclude-standard '*.py')

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test lint check sanitize fuzz format wheels bench-udp bench-http programs clean

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand --tabs=18

run: $(CORE) ## start the whole suite here, in the foreground (ARGS="..." are passed on)
	@exec $(VENV)/bin/thalweg run $(ARGS)

test: programs lint check ## everything that CI runs

lint: $(VENV)/ready ## format, lint and types of Python, format and strict warnings of C
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	@echo mypy, clang-format and strict compilers on $(words $(PYTHON_FILES)) Python files and $(words $(C_FILES)) C files
	@$(PYTHON) -m mypy $(PYTHON_FILES)
	@$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	@tools/strict-c $(filter %.c,$(C_FILES))

check: $(VENV)/ready $(CORE) ## the tests (ARGS="-k swarm" are pytest's)
	$(PYTHON) -m pytest $(ARGS)

sanitize: programs ## the C tests alone, under the address, undefined and thread sanitizers
	$(MAKE) -C tests/c test

fuzz: programs ## libFuzzer on every entry into the C core, a minute each (FUZZ_SECONDS=3600)
	$(MAKE) -C tests/c fuzz

format: $(VENV)/ready ## put Python and C into shape
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format
	$(VENV)/bin/clang-format -i $(C_FILES)

wheels: $(VENV)/ready ## every distribution into dist/
	$(PYTHON) tools/build_wheels.py dist

bench-udp: programs $(VENV)/ready $(CORE) ## the UDP service against the kernel's limit and opentracker
	$(PYTHON) -m tests.bench.udp $(ARGS)

bench-http: programs $(VENV)/ready $(CORE) ## the HTTP service against the kernel's limit and opentracker
	$(PYTHON) -m tests.bench.http $(ARGS)

programs: ## the programs and headers that tests use (installs them when root on Debian)
	@$(PYTHON3) tools/system_packages.py test
	@$(MAKE) --silent $(NPM_CLIENTS)

# WebTorrent's clients, exactly those of the lock file. As with the programs, only CI insists on them.
$(NPM_CLIENTS): tests/interop/webtorrent/package.json tests/interop/webtorrent/package-lock.json
	@echo "fetching the npm packages that tests use"
	@(cd $(<D) && npm ci --loglevel error) && touch $@ || { echo "tests with them are skipped" >&2; test -z "$$CI"; }

clean: ## forget everything that was built
	rm -rf $(VENV) dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	git clean -fdXq packages tests tools

# What running needs: the packages themselves, installed from this tree so that an edit is live.
$(VENV)/installed: requirements-build.txt tools/system-packages.txt $(PROJECTS)
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Thalweg needs Python 3.11 or newer; name one: make PYTHON3=python3.12 ..." >&2; exit 1; }
	@$(PYTHON3) tools/system_packages.py run
	@echo "setting up in $(VENV) (a minute, the first time only)"
	@$(PYTHON3) -m venv $(VENV)
	@$(PIP_INSTALL) --requirement requirements-build.txt
	@$(PIP_INSTALL) --no-build-isolation $(addprefix --editable ,$(PACKAGES))
	@touch $@

# What developing needs beside it.
$(VENV)/ready: $(VENV)/installed requirements-dev.txt
	@echo "adding the tools for checking and testing"
	@$(PIP_INSTALL) --requirement requirements-dev.txt
	@touch $@

# The compiled core: made by the installation, made again when a source of it changes (if not, this does nothing).
$(CORE): $(wildcard $(CSRC)/*.[ch]) packages/common/core_build.py packages/common/pyproject.toml | $(VENV)/installed
	@cd packages/common && ../../$(PYTHON) setup.py --quiet build_ext --inplace
	@touch $@
