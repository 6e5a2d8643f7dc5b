# Everything a developer runs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
RUNTIME := $(VENV)/runtime
TOOLS := .tools
LOCKS := requirements.txt requirements-dev.txt requirements-build.txt compose/workload/requirements.txt
WORKFLOWS := .github/workflows/*.yml
ISSUE_FORMS := .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
# Texts that people read, for the prose linter.
PROSE := '*.md' ':!CHANGELOG.md' 'docs/*.yaml' 'grafana/*.py' .env.example Dockerfile Makefile tools.mk \
	'charts/*.py' 'charts/burrow-exporter/*.yaml' \
	'compose/*.sh' compose/compose.yaml 'compose/messages/*' 'compose/renderer/*.py' ':(glob)compose/rules/*.yaml' \
	'compose/templates/*' config.example.yaml compose.yaml mkdocs.yml \
	'burrow_exporter/*.html' 'burrow_exporter/*.py' 'mixin/*' policy.example.yaml
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' burrow_exporter/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
REPOSITORY = $(shell sed -n 's/^url = //p' setup.cfg)
EXPORTER_IMAGE ?= burrow-exporter
export EXPORTER_IMAGE

.DEFAULT_GOAL := help
.PHONY: help demo
.PHONY: test lint format check bench soak fuzz mutate audit dist wheel-test packages packages-test
.PHONY: lock docs site dashboards chart clean
.PHONY: image render up down logs e2e e2e-hosts e2e-auth e2e-image e2e-truth

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

HAS_VENV = $(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	{ echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }

$(INSTALLED): setup.cfg pyproject.toml requirements-dev.txt burrow_exporter/__init__.py
	@$(HAS_VENV)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What the exporter needs, without the tools to work on it: there in a fraction of the time.
$(RUNTIME): requirements.txt
	@$(HAS_VENV)
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

demo: $(RUNTIME) ## Run the exporter with a simulated Burrow
	@echo "Open http://localhost:9254 (Ctrl-C ends it)"
	@$(BIN)/python -m burrow_exporter demo

test: $(INSTALLED) ## Run all tests, with branch coverage (WORKERS=3 at a time; 0: in one process)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(or $(WORKERS),3) --dist loadfile --durations 10 -m "not alone"
	$(BIN)/python -m pytest -m alone  # without coverage, which takes half of the time that is measured
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(INSTALLED) $(TOOLS)/actionlint $(TOOLS)/vale ## Check style, types and prose, and that generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive burrow_exporter
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m grafana.burrow_dashboards --check
	$(BIN)/python -m charts.derive --check
	$(BIN)/hadolint Dockerfile compose/*/Dockerfile
	git ls-files -z | xargs -0 $(BIN)/codespell
	$(TOOLS)/vale --output=line $$(git ls-files $(PROSE))
	shellcheck --external-sources .ci/run .ci/release-notes compose/*.sh compose/kafka/*.sh packaging/*.sh
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(ISSUE_FORMS)
	$(TOOLS)/actionlint
	$(BIN)/zizmor --quiet --offline --strict-collection --config .github/zizmor.yml .github

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## Run lint and test

bench: $(INSTALLED) ## Measure cost and speed (QUICK=1: half a minute, LARGE=1: also 300,000 partitions)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(LARGE),--large)

soak: $(INSTALLED) ## Run the exporter against a randomly failing Burrow (MINUTES=30)
	$(BIN)/python -m tests.e2e.soak --minutes $(or $(MINUTES),30)

fuzz: $(INSTALLED) ## Test 10,000 mutated responses of each kind (EXAMPLES=10000)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),10000) $(BIN)/python -m pytest --show-capture=no tests/e2e/test_fuzz.py

mutate: $(INSTALLED) ## Run mutation testing (MODULE=timelag; docs/internals/mutation.md)
	$(BIN)/uv pip install --quiet --python $(BIN)/python mutmut==3.8.1
	$(BIN)/mutmut run --max-children $(or $(WORKERS),2) 'burrow_exporter.$(MODULE)*'
	@$(BIN)/mutmut results --all true | awk -F '[.:] *' '/: not checked$$/ { next } { all[$$2]++ } \
		/: (killed|timeout|segfault)$$/ { killed[$$2]++; next } { print } \
		END { for (each in all) printf "%s: %d of %d killed, %d %%\n", each, killed[each], all[each], 100 * killed[each] / all[each] }'

docs: $(INSTALLED) ## Regenerate documentation pages and schemas
	$(BIN)/python docs/generate.py

site: export NO_MKDOCS_2_WARNING = 1
site: $(INSTALLED) ## Build the documentation site into build/site
	$(BIN)/mkdocs build --strict --quiet

dashboards: $(INSTALLED) ## Regenerate the Grafana dashboards
	$(BIN)/python -m grafana.burrow_dashboards

chart: $(INSTALLED) ## Regenerate the derived files of the Helm chart
	$(BIN)/python -m charts.derive

include tools.mk

image: ## Build the container image (EXPORTER_IMAGE=burrow-exporter; VARIANT=minimal: without shell and package manager)
	docker build --tag $(EXPORTER_IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		--build-arg REPOSITORY=$(REPOSITORY) --build-arg VARIANT=$(or $(VARIANT),slim) .

# The time of the commit stands in the wheel: the same commit gives the same bytes.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
dist: $(INSTALLED) ## Build sdist and wheel into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

wheel-test: dist ## Test the wheel without the source tree
	$(BIN)/python -m tests.e2e.wheel dist/*.whl

packages: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
packages: dist $(TOOLS)/nfpm ## Build deb and rpm packages into build/packages/
	BIN=$(BIN) TOOLS=$(TOOLS) VERSION=$(VERSION) REPOSITORY=$(REPOSITORY) packaging/build.sh

packages-test: packages ## Test the deb and rpm packages without the source tree (needs Debian)
	$(BIN)/python -m tests.e2e.packages build/packages/*

audit: $(INSTALLED) ## Check locked dependencies for known vulnerabilities (needs PyPI)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes $(foreach lock,$(LOCKS),--requirement $(lock))

render: ## Render compose/generated from .env, in the exporter's image or, without docker, in the virtual environment
	@if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then compose/deploy.sh --render; \
	else $(MAKE) --no-print-directory $(INSTALLED) && $(BIN)/python -m compose.renderer; fi

up: ## Start or update the stack according to .env and wait until it is healthy; default: the demo (docs/stack.md)
	@compose/deploy.sh

down: ## Stop the stack and keep its data
	@compose/deploy.sh --down

logs: ## Follow the stack's logs
	docker compose --file compose/compose.yaml --env-file compose/generated/compose.env logs --follow --tail 100

e2e: $(INSTALLED) ## Test the whole stack, including the demo, and stop it (needs docker and a registry)
	$(BIN)/python -m tests.e2e.stack

e2e-hosts: $(INSTALLED) ## Test the stack on three simulated hosts and stop it (needs docker on Linux and a registry)
	$(BIN)/python -m tests.e2e.hosts

e2e-auth: $(INSTALLED) ## Test every Kafka authentication mechanism, with valid and invalid credentials, and ACLs (needs docker)
	$(BIN)/python -m tests.e2e.kafka_auth

e2e-image: $(INSTALLED) ## Test both variants of the container image (needs docker on Linux and a registry)
	$(BIN)/python -m tests.e2e.image

e2e-truth: $(INSTALLED) ## Compare metrics with the truth in scenarios on a real Kafka and Burrow (needs both: tests/e2e/truth)
	@test -n "$(KAFKA_LIBS)" -a -n "$(BURROW)" || \
		{ echo "KAFKA_LIBS=folder of Kafka's jars, BURROW=binary of Burrow: name both (Java is needed)" >&2; exit 1; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python confluent-kafka
	$(BIN)/python -m tests.e2e.truth --kafka-libs $(KAFKA_LIBS) --burrow-binary $(BURROW) --out $(or $(OUT),truth.md)

lock: $(INSTALLED) ## Pin the newest dependencies, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --output-file requirements.txt setup.cfg
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt setup.cfg
	echo setuptools | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --constraint requirements-dev.txt \
		--output-file requirements-build.txt -
	echo confluent-kafka | $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --upgrade \
		--output-file compose/workload/requirements.txt -

clean: ## Remove generated files
	rm -rf $(VENV) $(TOOLS) build dist ./*.egg-info .coverage .coverage.* .hypothesis mutants .mypy_cache .pytest_cache .ruff_cache
