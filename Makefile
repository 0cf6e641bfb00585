VENV := .venv
PYTHON := $(VENV)/bin/python

$(VENV)/ready: requirements-dev.txt packages/*/pyproject.toml
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet -r requirements-dev.txt
	$(PYTHON) -m pip install --quiet --no-build-isolation --editable packages/common --editable packages/udp --editable packages/cli
	touch $@
