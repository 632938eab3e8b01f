# Two commands for a fresh machine: `make demo` and `make test`.
# Both make a virtual environment by themselves and use it again.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What `make demo` needs is condetr, and what trains it; everything else wants the tools of development, too. An environment
# is made anew when what goes into it changes, and pointed here when the checkout moved.
STAMP := $(VENV)/.condetr-stamp
CORE_STAMP := $(VENV)/.condetr-core-stamp
WANTED := $(shell cat constraints.txt pyproject.toml | cksum | tr -d ' ') $(CURDIR)

# The index of torch's wheels for CPUs, as pytorch.org gives it; they are much smaller. make demo TORCH_INDEX=...
TORCH_INDEX ?=

.PHONY: help demo test docs quick check lint types format core environment benchmarks clean

help:
	@echo "make demo      installs condetr, finds digits in images, measures, trains for a minute"
	@echo "make test      lint, types, import contracts, the documentation's links, and all tests"
	@echo "make docs      write the documentation as a site to build/site"
	@echo "make quick     unit and property tests that are not marked slow: a few minutes on two cores"
	@echo "make check     lint, types and import contracts only"
	@echo "make format    rewrite the sources in the project's format"
	@echo "make benchmarks  condetr against transformers on this machine, row by row: the better part of an hour"

demo: core
	$(BIN)/python demo/demo.py

# The run-time checks of shapes and types cost a third of the time: the rooms that compute most with tensors have them.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal
UNCHECKED := -o addopts="--strict-markers --strict-config"
CHECKED := $(addprefix tests/unit/,core evaluation explain losses matching model prediction)

# The type checker has one thread: beside the tests it costs half its time.
test: lint docs
	@$(BIN)/mypy & types=$$!; \
	$(PYTEST) --durations 15 $(CHECKED); checked=$$?; \
	$(PYTEST) --durations 15 $(UNCHECKED) tests $(CHECKED:%=--ignore %); unchecked=$$?; \
	wait $$types && exit $$((checked || unchecked))

# A broken link ends it. zensical has an environment of its own: its requirements are pinned, and nothing else needs them.
docs: environment
	@cmp --silent docs/requirements.txt $(VENV)/docs/requirements.txt || { set -e; \
		$(PYTHON) -m venv $(VENV)/docs; \
		$(VENV)/docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt; \
		cp docs/requirements.txt $(VENV)/docs; }
	$(BIN)/python -m reference
	$(VENV)/docs/bin/zensical build --strict --clean
	$(BIN)/python -m reference.llms build/site

quick: environment
	$(PYTEST) $(UNCHECKED) -m "not slow" tests/unit tests/property

check: environment lint types

lint: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: environment
	$(BIN)/mypy

format: environment
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: environment
	$(BIN)/python -m benchmarks --json benchmarks.json

core:
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != "$(WANTED)" ] && [ "$$(cat $(CORE_STAMP) 2>/dev/null)" != "$(WANTED)" ]; then \
		set -e; \
		echo "Installing condetr and what it needs into $(VENV). PyTorch is large: the first time takes some minutes."; \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
		if [ -n "$(TORCH_INDEX)" ]; then \
			$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --index-url $(TORCH_INDEX) torch torchvision; \
		fi; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables; \
		$(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation -c constraints.txt -e ".[train]"; \
		echo "$(WANTED)" > $(CORE_STAMP); \
	fi

environment:
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != "$(WANTED)" ]; then \
		set -e; \
		test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt -e ".[dev]"; \
		echo "$(WANTED)" > $(STAMP); \
	fi

clean:
	rm -rf $(VENV) demo-output .pytest_cache .ruff_cache .mypy_cache .hypothesis
