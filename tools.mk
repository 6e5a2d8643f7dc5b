# Tools written in Go, built into .tools at the versions that the stack runs; the Makefile includes this.
.PHONY: tools

tools: $(addprefix $(TOOLS)/,promtool amtool alertmanager helm crds actionlint) ## Build promtool, amtool, alertmanager, helm and actionlint, for tests and lint (needs Go)

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

$(TOOLS)/helm: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install helm.sh/helm/v4/cmd/helm@$(HELM)
	@touch $@

$(TOOLS)/crds: tools.mk
	go mod download $(OPERATOR)
	@mkdir -p $@
	cd "$$(go env GOMODCACHE)/$(OPERATOR)/example/prometheus-operator-crd" && cp -f \
		monitoring.coreos.com_prometheusrules.yaml monitoring.coreos.com_servicemonitors.yaml $(CURDIR)/$@
	@touch $@

$(TOOLS)/actionlint: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@touch $@

# $(call release,IMAGE,PREFIX,MODULE'S PREFIX): the version of a Go module, from the image's tag in compose.yaml.
release = $(shell sed -n 's|^ *image: $(1):$(2)|$(3)|p' compose/compose.yaml)
