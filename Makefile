# Two commands do everything on a machine with Python 3.11+ and make: `make serve` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
comma := ,
# PySpark's tests need Java; without it they are left out.
EXTRAS := $(if $(shell command -v java),test$(comma)spark,test)
# One more than the cores that are counted on: tests of browsers and servers wait much of their time.
WORKERS ?= 3
PIP_FLAGS ?= --disable-pip-version-check --quiet

.PHONY: help serve test test-slow mutation lint coverage style types audit notebooks sample release screenshot plotly benchmark clean

help:
	@echo "make serve       install, build the sample release if it is missing, serve the dashboards on 127.0.0.1"
	@echo "make test        install, run all tests, re-execute all notebooks and dashboards"
	@echo "make test-slow   the statistical checks over many seeds, and all examples of each property"
	@echo "make mutation    faults put into the code one at a time: which do the tests not notice?"
	@echo "make lint        ruff, mypy, and known advisories about the packages installed"
	@echo "make coverage    how often intervals hold the truth: docs/coverage.md (an hour)"
	@echo "make sample      simulate data/sample anew"
	@echo "make release     build dashboards/release from data/sample"
	@echo "make screenshot  render the picture in the README"
	@echo "make plotly      build the partial Plotly bundle of the pages anew (needs npm)"
	@echo "make benchmark   time each part against what a user would pick instead"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable ".[dashboards]"
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install $(PIP_FLAGS) --editable ".[$(EXTRAS)]"
	@touch $@ $(VENV)/.serve

serve: $(VENV)/.serve dashboards/release/manifest.json
	$(BIN)/nbanalytics serve dashboards/release

dashboards/release/manifest.json: | $(VENV)/.serve
	$(BIN)/nbanalytics release data/sample --out dashboards/release --created 2026-11-21

# Each worker computes with one thread: two workers with two each wait for one another.
test test-slow notebooks mutation: export OPENBLAS_NUM_THREADS = 1
test test-slow notebooks mutation: export OMP_NUM_THREADS = 1

# What is quick to say comes first; mypy needs one core, so the notebooks run beside it.
test: $(VENV)/.test style
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(MAKE) --jobs 2 --output-sync types notebooks

notebooks: $(VENV)/.test
	$(BIN)/python -m pytest --nbval-lax --nbval-kernel-startup-timeout 300 --numprocesses 2 --dist loadfile notebooks dashboards staff

test-slow: $(VENV)/.test
	NBANALYTICS_EXAMPLES=all $(BIN)/python -m pytest -m "slow or drawn"

# All faults take hours: MUTATION="--sample 20 --only flows" tries some.
mutation: $(VENV)/.test
	$(BIN)/python tests/mutation.py $(MUTATION)

coverage: export OPENBLAS_NUM_THREADS = 1
coverage: $(VENV)/.test
	$(BIN)/python benchmarks/coverage.py

lint: style types audit

# Says what is known about the packages installed; it fails nothing, and says so where there is no network.
audit: $(VENV)/.test
	-@$(BIN)/python tests/audit.py

style: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

sample: $(VENV)/.serve
	$(BIN)/nbanalytics simulate --out data/sample

release: $(VENV)/.serve
	$(BIN)/nbanalytics release data/sample --out dashboards/release --created 2026-11-21

screenshot: $(VENV)/.test
	$(BIN)/python docs/screenshot.py

# Node and npm are needed for this one only: the result is committed.
plotly:
	node nbanalytics/pages/build-plotly.mjs

benchmark: $(VENV)/.test
	$(BIN)/python benchmarks/national.py
	$(BIN)/python benchmarks/scb.py
	$(BIN)/python benchmarks/disclosure.py
	$(BIN)/python benchmarks/risk.py
	$(BIN)/python benchmarks/dashboards.py
	$(BIN)/python benchmarks/explorer.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
