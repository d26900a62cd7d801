# Two commands are all a newcomer needs: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
INSTALLED := $(VENV)/.installed

.PHONY: demo test check truth benchmarks soak install clean

demo: $(INSTALLED)  ## from nothing: environment, install, one scenario on the embedded service, its report
	$(BIN)/harness run scenarios/two-party-call.yaml

test: $(INSTALLED)  ## the whole suite
	$(BIN)/python -m pytest

check: $(INSTALLED)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: $(INSTALLED)  ## what everything costs, beside stock aiortc, in one run
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-columns=min,mean,max,rounds -s --timeout=600

truth: $(INSTALLED)  ## what was injected beside what was measured: one table
	$(BIN)/python -m pytest tests/truth --timeout=600

soak: $(INSTALLED)  ## thousands of generated conversations and twenty load runs: not one false alarm (12 minutes)
	$(BIN)/python -m pytest tests/soak -s --timeout=900

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
