# Two commands do everything on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
PYTEST := pytest --numprocesses 2 --dist loadfile
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# The demo and the tests never reach for a network, and MLflow reports nothing to anyone.
export MLFLOW_DISABLE_TELEMETRY := true
DEMO := snakemake --workflow-profile profiles/demo
DEMO_REPORT := results/demo/report.html
SOURCES := workflow/serflow tests benchmarks

.PHONY: help install docs demo report test test-browser test-features test-long test-faults test-slurm check-results lint format reference lock ui clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "serflow needs Python 3.11 to 3.13: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

install: .venv/.installed ## Make the virtual environment .venv from the lock file (6.5 GB, some minutes)

demo: .venv/.installed ## Run the whole workflow on the synthetic demo corpora, offline
	$(DEMO)
	@if [ ! -e $(DEMO_REPORT) ] || [ -n "$$(find results/demo/tables results/demo/figures -newer $(DEMO_REPORT) -print -quit)" ]; then \
		$(DEMO) --report $(DEMO_REPORT); fi
	@echo "Results: open results/demo/index.html in a browser. Where each came from: $(DEMO_REPORT)"

report: .venv/.installed ## Make results/report.html from the results of the real run
	snakemake --report results/report.html

test: .venv/.installed ## Run the tests, two files at a time
	$(PYTEST) --no-loadscope-reorder

test-long: .venv/.installed ## Run what takes minutes: extend serflow, use it from another workflow, simulate papers
	$(PYTEST) tests/long

test-faults: .venv/.installed ## Kill, cut off and fill up what runs, and see that nothing is lost (10 to 30 minutes; root for all of it)
	$(PYTEST) tests/faults

test-browser: .venv/.installed ## Open the results page in Chromium (root on Debian: installs it)
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "make test-browser needs Chromium: install it, or run it as root on Debian."; exit 1; fi; \
		echo "Installing chromium"; apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; fi
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	$(PYTEST) tests/browser

test-features: .venv/.installed ## Install the extra `features` and test what needs it
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-features.lock
	pytest tests/features/test_opensmile.py tests/features/test_encoder.py tests/corpora/test_audformat.py

test-slurm: .venv/.installed ## Run a paper on a Slurm cluster of one node, started here (root on Debian: installs it)
	@export PATH="$$PATH:/usr/sbin"; if ! { command -v munged && command -v slurmctld && command -v slurmd; } >/dev/null; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "make test-slurm needs Debian's packages slurm-wlm and munge: install them, or run it as root."; exit 1; fi; \
		echo "Installing slurm-wlm and munge"; apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; fi
	pytest tests/slurm

check-results: .venv/.installed ## Recompute every measured number in README.md and docs/ from evidence/
	serflow results --check

lint: .venv/.installed ## Check style, types, rules
	ruff check $(SOURCES)
	ruff format --check $(SOURCES)
	snakefmt --check Snakefile workflow/rules
	mypy
	lint-imports --no-logo
	snakemake --lint

format: .venv/.installed ## Format Python and Snakemake sources
	ruff check --fix $(SOURCES)
	ruff format $(SOURCES)
	snakefmt Snakefile workflow/rules

reference: .venv/.installed ## Write workflow/schemas and docs/reference.md anew from the typed models
	serflow reference --schemas workflow/schemas --page docs/reference.md

lock: ## Add what is new in pyproject.toml to requirements.lock; UPGRADE=--upgrade: take the newest versions of all (needs uv)
	uv pip compile pyproject.toml --extra dev $(UPGRADE) --generate-hashes --universal --python-version 3.11 \
		--fork-strategy fewest --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock
	for extra in browser docs features; do \
		uv pip compile pyproject.toml --extra $$extra --constraint requirements.lock $(UPGRADE) --generate-hashes --universal \
			--python-version 3.11 --fork-strategy fewest --no-emit-index-url --custom-compile-command "make lock" \
			--output-file requirements-$$extra.lock || exit 1; done

ui: .venv/.installed ## Open MLflow on 127.0.0.1:5000, on results or else on the demo's (RESULTS=folder for another)
	@results=$(RESULTS); [ -n "$$results" ] || { [ -e results/mlflow.db ] && results=results || results=results/demo; }; \
	[ -e $$results/mlflow.db ] || { echo "There is no $$results/mlflow.db: run snakemake or make demo first."; exit 1; }; \
	echo "MLflow shows $$results: http://127.0.0.1:5000, charts of a paper's runs under its experiment, Chart view"; \
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --backend-store-uri sqlite:///$$results/mlflow.db --host 127.0.0.1 --port 5000 --workers 1

docs: .venv/.installed ## Build the documentation site into docs/_build, offline
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	sphinx-build -W --keep-going -q docs docs/_build
	@echo "Open docs/_build/index.html"

clean: ## Delete the demo's results
	rm -rf results/demo
