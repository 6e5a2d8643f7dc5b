# Tools for tests and lint in .tools, those of Go at the versions that the stack runs; the Makefile includes this.
.PHONY: tools

tools: $(addprefix $(TOOLS)/,promtool amtool alertmanager helm crds jsonnet actionlint vale nfpm axe.js) ## Get the tools for tests, lint and packages (needs Go, a C compiler and npm)

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

# What the tests of the chart and of docs/autoscaling.md need: helm, the resources that the Prometheus operator, the
# Gateway API and KEDA define, and the parameters of KEDA's triggers.
HELM := v4.3.1
OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.94.1
GATEWAY := sigs.k8s.io/gateway-api@v1.4.0
KEDA := github.com/kedacore/keda/v2@v2.21.0

$(TOOLS)/helm: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install helm.sh/helm/v4/cmd/helm@$(HELM)
	@touch $@

$(TOOLS)/crds: tools.mk
	go mod download $(OPERATOR) $(GATEWAY) $(KEDA)
	@mkdir -p $@
	cd "$$(go env GOMODCACHE)/$(OPERATOR)/example/prometheus-operator-crd" && cp -f \
		$(foreach kind,podmonitors prometheusrules servicemonitors,monitoring.coreos.com_$(kind).yaml) $(CURDIR)/$@
	cp -f "$$(go env GOMODCACHE)/$(GATEWAY)/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" $(CURDIR)/$@
	cd "$$(go env GOMODCACHE)/$(KEDA)" && cp -f \
		config/crd/bases/keda.sh_scaledobjects.yaml schema/generated/scalers-schema.json $(CURDIR)/$@
	@touch $@

$(TOOLS)/jsonnet: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/google/go-jsonnet/cmd/jsonnet@v0.21.0
	@touch $@

$(TOOLS)/actionlint: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@touch $@

# Checks prose; its parsers are C.
$(TOOLS)/vale: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/vale-cli/vale/v3/cmd/vale@v3.21.0
	@touch $@

# Builds the deb and rpm packages.
$(TOOLS)/nfpm: tools.mk
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
	@touch $@

# Checks the accessibility of the status pages.
AXE := axe-core@4.14.1
AXE_SHA512 := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
$(TOOLS)/axe.js: tools.mk
	@mkdir -p $(TOOLS)/axe
	npm pack --silent --pack-destination $(TOOLS)/axe $(AXE) >/dev/null
	echo "$(AXE_SHA512)  $(TOOLS)/axe/$(subst @,-,$(AXE)).tgz" | sha512sum --check --quiet
	tar --extract --gzip --to-stdout --file $(TOOLS)/axe/$(subst @,-,$(AXE)).tgz package/axe.min.js >$@
	rm -r $(TOOLS)/axe

# $(call release,IMAGE,PREFIX,MODULE'S PREFIX): the version of a Go module, from the image's tag in compose.yaml.
release = $(shell sed -n 's|^ *image: $(1):$(2)|$(3)|p' compose/compose.yaml)
