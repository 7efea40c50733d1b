# The first use of a target installs what it needs into .venv; later uses need no network.
PYTHON ?= python3
FUZZ_SECONDS ?= 60
BIN = .venv/bin

.PHONY: demo test test-slow lint fuzz clean

demo: .venv/.run
	$(BIN)/nst-tf demo

test: .venv/.dev
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow"

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.audit

fuzz: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[fuzz]"
	$(BIN)/python -m tests.fuzz.coverage_guided -max_total_time=$(FUZZ_SECONDS)

clean:
	rm -rf .venv build dist outputs

.venv/.run: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@
