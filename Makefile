# Everything a checkout can do. `make demo` and `make test` set up what they need.

VENV ?= .venv
BIN = $(VENV)/bin
SPEED ?= 400
JOBS ?= 3
ROUNDS ?= 200
SEED ?=
ARGS ?=

.PHONY: help setup page demo run test lint unit bench torture screenshots wheel clean

help:
	@echo "make demo          a recorded day of 499 NSE stocks through the pipeline (SPEED=400, or max)"
	@echo "make test          lint, types and every test; installs what is missing"
	@echo "make run           the live job (ARGS='--universe nifty500 --interval 1m')"
	@echo "make bench         speed and memory, as ratios"
	@echo "make torture       random faults against a running pipeline (ROUNDS=200 SEED=…)"
	@echo "make screenshots   docs/screenshots from the real page"
	@echo "make wheel         dist/*.whl with the built page"

setup:
	@VENV=$(VENV) bin/setup

page: setup
	@$(BIN)/python -m pipeline.dashboard.build

demo: setup page
	@$(BIN)/breadth-pipeline demo --speed $(SPEED) $(ARGS)

run: setup page
	@$(BIN)/breadth-pipeline run $(ARGS)

test: lint unit

lint:
	@VENV=$(VENV) bin/setup dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit:
	@VENV=$(VENV) bin/setup dev
	@bin/test-packages
	@$(BIN)/python -m pipeline.dashboard.build
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -q $(ARGS)

bench: page
	@VENV=$(VENV) bin/setup dev,bench
	@bin/test-packages
	@$(BIN)/python -m tests.bench $(ARGS)

torture:
	@VENV=$(VENV) bin/setup dev
	@bin/test-packages
	@$(BIN)/python -m tests.torture --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

screenshots: page
	@VENV=$(VENV) bin/setup dev
	@bin/test-packages
	@$(BIN)/python -m tests.browser.screenshots

wheel: page
	@VENV=$(VENV) bin/setup dev
	@$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache pipeline/dashboard/static \
		pipeline/dashboard/page/node_modules
