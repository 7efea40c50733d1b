# The first use of a target installs what it needs into .venv; later uses need no network.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test test-slow lint clean

demo: .venv/.run
	$(BIN)/nst-tf demo

test: .venv/.dev
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow"

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist outputs

.venv/.run: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@
