# The first use of a target installs what it needs into .venv; later uses need no network.
PYTHON ?= python3
FUZZ_SECONDS ?= 60
BIN = .venv/bin

.PHONY: demo test test-slow lint fuzz bench clean

demo: .venv/.run
	$(BIN)/nst-tf demo

# What every commit has to pass, meant to take less than six minutes on two cores; test-slow holds the long forms.
# Their bytecode is kept, also where the shell forbids it: compiling took a third of the time to start.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile --no-loadscope-reorder --durations=10

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow" --durations=10

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.programs.audit

fuzz: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[fuzz]"
	$(BIN)/python -m tests.fuzz.coverage_guided -max_total_time=$(FUZZ_SECONDS)

# The tables of benchmarks/RESULTS.md in their short form, about 40 minutes on two cores; each program has more under --help.
# PyTorch has an environment of its own: its import raises warnings that the tests forbid.
bench: .venv-bench/.done
	.venv-bench/bin/python -m benchmarks.startup
	.venv-bench/bin/python -m benchmarks.step --sizes=256,512
	.venv-bench/bin/python -m benchmarks.time_to_quality --size=256 --peer_steps=250
	.venv-bench/bin/python -m benchmarks.memory --sizes=512,1024,1024 --budgets=100000,100000,2500

clean:
	rm -rf .venv .venv-bench build dist outputs

.venv-bench/.done: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps neural-style==0.5.7
	touch $@

.venv/.run: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@
