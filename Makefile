# The targets for developers. They create environments on first use: .venv for the package, its tests,
# and its checks; .venv-codegen for the generator, whose tools need another protobuf.

PYTHON ?= python3

# If this is set, each test process compiles the package again.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
CODEGEN_PYTHON := .venv-codegen/bin/python
CODEGEN_PIP := $(CODEGEN_PYTHON) -m pip install -qq --disable-pip-version-check
LIVEKIT_PROTOCOL ?= 1.1.29
# Tests with these marks need programs that are not Python packages: `make test-all` runs them.
MARKED := redis or browser or node
# More test processes than CI has cores, since many tests wait. A file runs in one process.
WORKERS ?= 3
PYTEST := $(BIN)/pytest --no-header --numprocesses $(WORKERS) --dist loadfile

ENVIRONMENTS := .venv/.dev .venv-codegen/.ready

.DEFAULT_GOAL := help
.PHONY: help demo example test test-marked test-all live lint types codegen-env codegen check-codegen \
	protos check-upstream bench matrix build format clean

help:  ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.package  ## Place, connect and end a WhatsApp call against the emulator
	@$(BIN)/python examples/demo.py

test:  ## Run the tests
	@$(MAKE) -sq $(ENVIRONMENTS) || echo "Creating the environments .venv and .venv-codegen (about a minute)..."
	@$(MAKE) -sj2 $(ENVIRONMENTS)
	@echo "Running the tests in $(WORKERS) processes (about a minute)..."
	@CODEGEN_PYTHON=$(CODEGEN_PYTHON) $(PYTEST) -m "not (live or $(MARKED))" \
		--ignore tests/typing

example: .venv/.dev  ## Run the example site with the emulator (needs redis-server)
	@$(BIN)/python examples/site/run.py

test-marked: .venv/.tools  ## Run the tests that need redis-server, chromium or node
	@$(PYTEST) -m "$(MARKED)"

test-all: test test-marked types  ## Run all tests

live: .venv/.dev  ## Compare the emulator with the project of LIVEKIT_URL (dials nobody)
	@: $${LIVEKIT_URL:?set it, LIVEKIT_API_KEY, and LIVEKIT_API_SECRET}
	@$(BIN)/pytest --no-header -m live tests/live

lint: .venv/.dev  ## Check style, format and spelling
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --diff .
	@$(BIN)/codespell

format: .venv/.dev  ## Format the code
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

types: export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1  # don't check for updates
types: .venv/.dev  ## Check types, and test what checkers and editors find
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(PYTEST) tests/typing

codegen-env: .venv-codegen/.ready  ## Create the generator's environment

codegen: .venv-codegen/.ready  ## Regenerate the code [PROTO_DIR= SERVICES= OUT=]
	@$(CODEGEN_PYTHON) -m codegen $(if $(PROTO_DIR),--proto-dir "$(PROTO_DIR)") \
		$(SERVICES:%=--service %) $(if $(OUT),--out "$(OUT)")

check-codegen: .venv-codegen/.ready  ## Show a diff and fail if the generated code is out of date
	@$(CODEGEN_PYTHON) -m codegen --check

protos: .venv-codegen/.ready  ## Print a release's protos to build/protos-VERSION [LIVEKIT_PROTOCOL=]
	@$(CODEGEN_PIP) --upgrade --no-deps --target build/livekit-protocol \
		livekit-protocol==$(LIVEKIT_PROTOCOL)
	@PYTHONPATH=build/livekit-protocol $(CODEGEN_PYTHON) -m codegen.printer \
		--out build/protos-$(LIVEKIT_PROTOCOL)

check-upstream: .venv-codegen/.ready  ## Compare proto/ with the newest livekit-protocol
	@$(CODEGEN_PIP) --upgrade --no-deps --target build/livekit-protocol livekit-protocol
	@PYTHONPATH=build/livekit-protocol $(CODEGEN_PYTHON) -m codegen.upstream

matrix: .venv/.tools  ## Run tox: Python 3.9 to 3.13, lowest dependencies, releases of livekit-protocol
	@$(BIN)/tox run-parallel --parallel 3 --quiet

bench: .venv/.bench  ## Measure a call and its alternatives (needs nginx, redis-server)
	@$(BIN)/python -m benchmarks

build: .venv/.dev  ## Build the wheel and the sdist into dist/
	@$(BIN)/python -m build --outdir dist . > /dev/null

clean:  ## Remove everything that the targets created
	rm -rf .venv .venv-codegen .tox .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info

.venv/.package: pyproject.toml
	@$(PYTHON) -m venv .venv
	@$(PIP) 'pip>=25'
	@$(PIP) -e .
	@touch $@

.venv/.dev: .venv/.package requirements-dev.txt requirements-test.txt
	@$(PIP) -e '.[emulator,django,celery]' -r requirements-dev.txt
	@touch $@

.venv/.tools: .venv/.dev requirements-tools.txt
	@$(PIP) -r requirements-tools.txt
	@touch $@

.venv/.bench: .venv/.dev requirements-bench.txt
	@$(PIP) -r requirements-bench.txt
	@touch $@

.venv-codegen/.ready: requirements-codegen.txt
	@$(PYTHON) -m venv .venv-codegen
	@$(CODEGEN_PIP) --no-deps -r $<
	@touch $@
