# Everything a developer runs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TOOLS := .tools
GENERATED := compose/generated/compose.env
COMPOSE := docker compose --file compose/compose.yaml --env-file $(GENERATED)
EXPORTER_IMAGE ?= burrow-exporter
export EXPORTER_IMAGE

.DEFAULT_GOAL := help
.PHONY: help demo test lint format check bench soak fuzz mutate lock docs dashboards clean tools image render up down logs e2e

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
	$(BIN)/python -m grafana.burrow_dashboards --check
	$(BIN)/hadolint Dockerfile compose/*/Dockerfile
	shellcheck .ci/run compose/*.sh compose/kafka/*.sh

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

mutate: $(INSTALLED) ## Look for changes to the code that no test notices (MODULE=timelag; docs/mutation.md)
	$(BIN)/uv pip install --quiet --python $(BIN)/python mutmut==3.8.1
	$(BIN)/mutmut run --max-children $(or $(WORKERS),2) 'burrow_exporter.$(MODULE)*'
	@$(BIN)/mutmut results --all true | awk -F '[.:] *' '/: not checked$$/ { next } { all[$$2]++ } \
		/: (killed|timeout|segfault)$$/ { killed[$$2]++; next } { print } \
		END { for (each in all) printf "%s: %d of %d killed, %d %%\n", each, killed[each], all[each], 100 * killed[each] / all[each] }'

docs: $(INSTALLED) ## Write the generated pages anew
	$(BIN)/python docs/generate.py

dashboards: $(INSTALLED) ## Write Grafana's dashboards anew
	$(BIN)/python -m grafana.burrow_dashboards

tools: $(TOOLS)/promtool $(TOOLS)/amtool ## Build promtool and amtool of the stack's releases, for its tests (needs Go)

# Prometheus' module v0.3NN is its release v3.NN; other kinds of service discovery than files are left out.
$(TOOLS)/promtool: compose/compose.yaml
	GOBIN=$(CURDIR)/$(TOOLS) go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(call \
		release,prom/prometheus,v3\.,v0.3)
	@touch $@

$(TOOLS)/amtool: compose/compose.yaml
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/prometheus/alertmanager/cmd/amtool@$(call \
		release,prom/alertmanager,v,v)
	@touch $@

# $(call release,IMAGE,PREFIX,MODULE'S PREFIX): the version of a Go module, from the image's tag in compose.yaml.
release = $(shell sed -n 's|^ *image: $(1):$(2)|$(3)|p' compose/compose.yaml)

image: ## Build the container image (EXPORTER_IMAGE=burrow-exporter)
	docker build --tag $(EXPORTER_IMAGE) .

render: $(INSTALLED) ## Render compose/generated from .env, without docker
	$(BIN)/python -m compose.render

# The same in the exporter's own image, so that a host needs nothing but docker.
$(GENERATED): $(wildcard .env compose/bucket.yaml compose/*.py compose/rules/*.yaml grafana/dashboards/*) $(shell find compose/templates -type f)
	@docker image inspect $(EXPORTER_IMAGE) >/dev/null 2>&1 || $(MAKE) image
	@mkdir -p $(@D)
	docker run --rm --network none --read-only --cap-drop ALL --user "$$(id -u):$$(id -g)" \
		--volume "$(CURDIR):/stack:ro" --volume "$(CURDIR)/$(@D):/stack/$(@D)" --workdir /stack \
		--env PYTHONDONTWRITEBYTECODE=1 --entrypoint python $(EXPORTER_IMAGE) -m compose.render
	@touch $@

up: $(GENERATED) ## Start the stack and wait until it is healthy; by default the demo (docs/stack.md)
	$(COMPOSE) up --detach --remove-orphans --wait --wait-timeout 300
	@$(COMPOSE) ps --format '{{.Service}}\t{{.Ports}}' | sed -n 's|^\([^\t]*\).*\t\([0-9.]*:[0-9]*\)->.*|\1 http://\2|p'
	@echo "Grafana's password of admin: compose/generated/secrets/grafana-admin-password"

down: ## End the stack; its data stays
	$(COMPOSE) --profile '*' down --remove-orphans

logs: ## Follow the stack's logs
	$(COMPOSE) logs --follow --tail 100

e2e: $(INSTALLED) ## Try the whole stack, demo included, and end it (needs docker and a registry)
	$(BIN)/python tests/e2e.py

lock: $(INSTALLED) ## Pin the newest dependencies, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --output-file requirements.txt setup.cfg
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --extra dev --constraint requirements.txt \
		--output-file requirements-dev.txt setup.cfg
	echo setuptools | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --constraint requirements-dev.txt \
		--output-file requirements-build.txt -
	$(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --output-file compose/workload/requirements.txt \
		compose/workload/requirements.in

clean: ## Remove what the targets made
	rm -rf $(VENV) $(TOOLS) build dist ./*.egg-info .coverage .coverage.* .hypothesis mutants .mypy_cache .pytest_cache .ruff_cache
