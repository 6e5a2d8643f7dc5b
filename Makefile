# Everything a developer runs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint format check bench soak fuzz lock docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): setup.cfg pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## Run the exporter on a simulated Burrow
	@echo "Open http://localhost:9254 (Ctrl-C ends it)"
	@$(BIN)/burrow-exporter demo

test: $(INSTALLED) ## Run all tests, with branch coverage (WORKERS=3 at a time; 0: in one process)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(or $(WORKERS),3) --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(INSTALLED) ## Check style and types, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive burrow_exporter
	$(BIN)/python docs/generate.py --check
	shellcheck .ci/run

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## All of it

bench: $(INSTALLED) ## Measure cost and speed (QUICK=1: half a minute, LARGE=1: 300,000 partitions too)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(LARGE),--large)

soak: $(INSTALLED) ## Run the exporter on a Burrow that fails at random (MINUTES=30)
	$(BIN)/python tests/soak.py --minutes $(or $(MINUTES),30)

fuzz: $(INSTALLED) ## Try 10,000 mutated answers of each kind (EXAMPLES=10000)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),10000) $(BIN)/python -m pytest --show-capture=no tests/test_fuzz.py

docs: $(INSTALLED) ## Write the generated pages anew
	$(BIN)/python docs/generate.py

lock: $(INSTALLED) ## Pin the newest dependencies, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --output-file requirements.txt setup.cfg
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt setup.cfg

clean: ## Remove what the targets made
	rm -rf $(VENV) build dist ./*.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
