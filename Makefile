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
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' burrow_exporter/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
EXPORTER_IMAGE ?= burrow-exporter
export EXPORTER_IMAGE

.DEFAULT_GOAL := help
.PHONY: help demo
.PHONY: test lint format check bench soak fuzz mutate audit dist wheel-test
.PHONY: lock docs dashboards chart tools clean
.PHONY: image render up down logs e2e e2e-hosts e2e-auth e2e-truth

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

demo: $(RUNTIME) ## Run the exporter on a simulated Burrow
	@echo "Open http://localhost:9254 (Ctrl-C ends it)"
	@$(BIN)/python -m burrow_exporter demo

test: $(INSTALLED) ## Run all tests, with branch coverage (WORKERS=3 at a time; 0: in one process)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(or $(WORKERS),3) --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(INSTALLED) $(TOOLS)/actionlint ## Check style and types, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive burrow_exporter
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m grafana.burrow_dashboards --check
	$(BIN)/python -m charts.derive --check
	$(BIN)/hadolint Dockerfile compose/*/Dockerfile
	shellcheck --external-sources .ci/run .ci/release-notes compose/*.sh compose/kafka/*.sh
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(ISSUE_FORMS)
	$(TOOLS)/actionlint
	$(BIN)/zizmor --quiet --offline --strict-collection --config .github/zizmor.yml .github

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test ## All of it

bench: $(INSTALLED) ## Measure cost and speed (QUICK=1: half a minute, LARGE=1: 300,000 partitions too)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(LARGE),--large)

soak: $(INSTALLED) ## Run the exporter on a Burrow that fails at random (MINUTES=30)
	$(BIN)/python -m tests.e2e.soak --minutes $(or $(MINUTES),30)

fuzz: $(INSTALLED) ## Try 10,000 mutated answers of each kind (EXAMPLES=10000)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),10000) $(BIN)/python -m pytest --show-capture=no tests/e2e/test_fuzz.py

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

chart: $(INSTALLED) ## Write anew what the Helm chart has from elsewhere
	$(BIN)/python -m charts.derive

tools: $(addprefix $(TOOLS)/,promtool amtool alertmanager helm crds actionlint axe.js) ## Build promtool, amtool, alertmanager, helm and actionlint, for tests and lint (needs Go, and npm for axe-core)

# Prometheus' module v0.3NN is its release v3.NN; other kinds of service discovery than files are left out.
$(TOOLS)/promtool: compose/compose.yaml
	GOBIN=$(CURDIR)/$(TOOLS) go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(call \
		release,prom/prometheus,v3\.,v0.3)
	@touch $@

$(TOOLS)/amtool: compose/compose.yaml
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/prometheus/alertmanager/cmd/amtool@$(call \
		release,prom/alertmanager,v,v)
	@touch $@

# Alertmanager's module comes without the pages of its web interface, which are built by Node.js and no test opens.
ALERTMANAGER = github.com/prometheus/alertmanager@$(call release,prom/alertmanager,v,v)
$(TOOLS)/alertmanager: compose/compose.yaml
	go mod download $(ALERTMANAGER)
	rm -rf $(TOOLS)/source
	cp -R "$$(go env GOMODCACHE)/$(ALERTMANAGER)" $(TOOLS)/source
	chmod -R u+w $(TOOLS)/source
	mkdir -p $(TOOLS)/source/ui/app/dist
	touch $(TOOLS)/source/ui/app/dist/index.html
	cd $(TOOLS)/source && go build -o $(CURDIR)/$@ ./cmd/alertmanager
	rm -rf $(TOOLS)/source

# What the chart's tests need: helm, and the resources that the Prometheus operator defines.
HELM := v4.3.1
OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.94.1

$(TOOLS)/helm: Makefile
	GOBIN=$(CURDIR)/$(TOOLS) go install helm.sh/helm/v4/cmd/helm@$(HELM)
	@touch $@

$(TOOLS)/crds: Makefile
	go mod download $(OPERATOR)
	@mkdir -p $@
	cd "$$(go env GOMODCACHE)/$(OPERATOR)/example/prometheus-operator-crd" && cp -f \
		monitoring.coreos.com_prometheusrules.yaml monitoring.coreos.com_servicemonitors.yaml $(CURDIR)/$@
	@touch $@

$(TOOLS)/actionlint: Makefile
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@touch $@

# What looks for faults of accessibility in the status pages.
AXE := axe-core@4.14.1
AXE_SHA512 := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
$(TOOLS)/axe.js: Makefile
	@mkdir -p $(TOOLS)/axe
	npm pack --silent --pack-destination $(TOOLS)/axe $(AXE) >/dev/null
	echo "$(AXE_SHA512)  $(TOOLS)/axe/$(subst @,-,$(AXE)).tgz" | sha512sum --check --quiet
	tar --extract --gzip --to-stdout --file $(TOOLS)/axe/$(subst @,-,$(AXE)).tgz package/axe.min.js >$@
	rm -r $(TOOLS)/axe

# $(call release,IMAGE,PREFIX,MODULE'S PREFIX): the version of a Go module, from the image's tag in compose.yaml.
release = $(shell sed -n 's|^ *image: $(1):$(2)|$(3)|p' compose/compose.yaml)

image: ## Build the container image (EXPORTER_IMAGE=burrow-exporter)
	docker build --tag $(EXPORTER_IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) .

# The time of the commit stands in the wheel: the same commit gives the same bytes.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
dist: $(INSTALLED) ## Build the sdist, and the wheel from it, into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist

wheel-test: dist ## Try the wheel with the source tree away
	$(BIN)/python -m tests.e2e.wheel dist/*.whl

audit: $(INSTALLED) ## Ask for known weaknesses of what is locked (needs PyPI itself)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes $(foreach lock,$(LOCKS),--requirement $(lock))

render: ## Render compose/generated from .env, in the exporter's image or, without docker, by the virtual environment
	@if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then compose/deploy.sh --render; \
	else $(MAKE) --no-print-directory $(INSTALLED) && $(BIN)/python -m compose.renderer; fi

up: ## Start the stack, or change it to what .env says, and wait until it is healthy; by default the demo (docs/stack.md)
	@compose/deploy.sh

down: ## End the stack; its data stays
	@compose/deploy.sh --down

logs: ## Follow the stack's logs
	docker compose --file compose/compose.yaml --env-file compose/generated/compose.env logs --follow --tail 100

e2e: $(INSTALLED) ## Try the whole stack, demo included, and end it (needs docker and a registry)
	$(BIN)/python -m tests.e2e.stack

e2e-hosts: $(INSTALLED) ## Try the stack spread over three hosts, and end it (needs docker on Linux, and a registry)
	$(BIN)/python -m tests.e2e.hosts

e2e-auth: $(INSTALLED) ## Try each way to authenticate to a Kafka, right and wrong, and the ACLs (needs docker)
	$(BIN)/python -m tests.e2e.kafka_auth

e2e-truth: $(INSTALLED) ## Play scenarios on a real Kafka and Burrow, and write what is true beside what is shown (needs both: tests/e2e/truth)
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
	$(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade --output-file compose/workload/requirements.txt \
		compose/workload/requirements.in

clean: ## Remove what the targets made
	rm -rf $(VENV) $(TOOLS) build dist ./*.egg-info .coverage .coverage.* .hypothesis mutants .mypy_cache .pytest_cache .ruff_cache
