# Gatehouse: `make run` and `make test` do all the set-up that they need on a Debian-like machine with Go and make.

MODULES  := shared sdk plugins/nmap plugins/ping plugins/curl plugins/dig \
	plugins/traceroute plugins/tls host internal/openapitest docs/examples e2e
PROGRAMS := tools/bundle tools/openapi tools/reference tools/release
PLUGINS  := nmap ping curl dig traceroute tls
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
VERSION  := $(shell git describe --tags --match 'v[0-9]*' --always --dirty 2>/dev/null || echo dev)
TOOLS    := $(CURDIR)/.cache/tools
LDFLAGS  := -s -w
GO       := go
RUNS     ?= 1

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup setup-test build run test test-go test-tools alone cross check-generated bench soak conformance \
	lint fmt generate bundle release clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: nmap, ping, a C compiler for the race detector; fetch the modules
	@scripts/setup.sh

setup-test: ## The same, and fetch promtool
	@scripts/setup.sh test

build: ## Build bin/gatehouse and bin/plugins/*
	@mkdir -p bin/plugins && chmod 755 bin bin/plugins
	$(GO) build -trimpath -ldflags '$(LDFLAGS) -X main.version=$(VERSION)' -o bin/gatehouse ./host/cmd/gatehouse
	@for p in $(PLUGINS); do \
		echo $(GO) build -o bin/plugins/$$p ./plugins/$$p; \
		$(GO) build -trimpath -ldflags '$(LDFLAGS) -X main.version=$(VERSION)' -o bin/plugins/.$$p.new ./plugins/$$p && \
		chmod 755 bin/plugins/.$$p.new && mv bin/plugins/.$$p.new bin/plugins/$$p || exit 1; \
	done

run: setup build ## Set up, build, and serve over HTTP on 127.0.0.1:8080
	bin/gatehouse serve --transport http

test: setup-test build lint alone cross check-generated conformance test-go test-tools ## Set up, then check and test everything

test-go: ## Run all tests of all modules with the race detector
	@# -count=1: the tests of e2e build programs that Go's cache of results knows nothing of
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 30m work

test-tools: ## Test the programs that make bundles and releases; this commit is released in a clone
	@for m in tools/bundle tools/reference tools/release; do (cd $$m && GOWORK=off $(GO) test -count=1 ./...) || exit 1; done

alone: ## Build each module by itself, tests included, as one who imports it would
	@for m in $(MODULES); do echo "alone: $$m"; (cd $$m && GOWORK=off $(GO) vet ./...) || exit 1; done

cross: ## Compile for every platform that is promised
	@for p in $(PLATFORMS); do echo "cross: $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null work || exit 1; done

bench: build ## Print ratios, each beside its aim
	$(GO) run ./e2e/bench

soak: build ## Call, meddle and kill for three minutes, then see that no call's record is lost
	$(GO) run ./e2e/soak -for 3m -concurrency 64

conformance: build ## Run the official suites and clients of MCP against the host; RUNS=20 for each client that often
	@scripts/node.sh
	$(GO) run ./e2e/conformance -runs $(RUNS)

bundle: $(TOOLS)/bundle ## Make dist/*.mcpb, one for each platform; the official mcpb program, and a start, check them
	@scripts/node.sh
	$(TOOLS)/bundle -version '$(VERSION)' -platforms '$(PLATFORMS)' -plugins '$(PLUGINS)' \
		-mcpb .cache/node/node_modules/.bin/mcpb -out dist

release: $(TOOLS)/release ## Make dist/VERSION and its tags, each step proved: make release VERSION=v1.2.3
	$(TOOLS)/release -version '$(VERSION)' -platforms '$(PLATFORMS)' -out dist

lint: $(TOOLS)/staticcheck $(TOOLS)/openapi ## Formatting, go vet, staticcheck, the OpenAPI document
	@bad=$$(gofmt -l $(MODULES) $(PROGRAMS)); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	$(GO) vet work
	@for m in $(MODULES); do (cd $$m && $(TOOLS)/staticcheck ./...) || exit 1; done
	@for m in $(PROGRAMS); do (cd $$m && export GOWORK=off && $(GO) vet ./... && $(TOOLS)/staticcheck ./...) || exit 1; done
	@$(TOOLS)/openapi -rules tools/openapi/rules.yaml host/internal/httpdoor/testdata/openapi.json

fmt: ## Format all Go code
	gofmt -w $(MODULES) $(PROGRAMS)

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go ## Generate the protobuf code, and the reference for authors
	cd shared && PATH="$(TOOLS):$$PATH" buf lint && PATH="$(TOOLS):$$PATH" buf generate
	cd tools/reference && GOWORK=off $(GO) run . -root ../.. -out ../../docs/authors/reference.md \
		sdk sdk/command sdk/sandbox sdk/sdktest shared/tool

check-generated: generate ## Fail if the generated code has drifted, or the contract breaks with its oldest version
	@git diff --exit-code -- shared/internal/toolpb docs/authors/reference.md || \
		{ echo "the generated code or page has drifted; run make generate and commit"; exit 1; }
	cd shared && $(TOOLS)/buf breaking --against ../e2e/compat/testdata/oldest

clean: ## Remove what was built
	rm -rf bin dist .cache

$(TOOLS)/staticcheck $(TOOLS)/protoc-gen-go: tools/go.mod
	@mkdir -p $(TOOLS) && cd tools && GOWORK=off $(GO) build -o $(TOOLS)/ tool

$(TOOLS)/openapi: tools/openapi/go.mod tools/openapi/main.go
	@mkdir -p $(TOOLS) && cd tools/openapi && GOWORK=off $(GO) build -o $(TOOLS)/openapi .

$(TOOLS)/bundle: tools/bundle/go.mod $(wildcard tools/bundle/*.go)
	@mkdir -p $(TOOLS) && cd tools/bundle && GOWORK=off $(GO) build -o $(TOOLS)/bundle .

$(TOOLS)/release: tools/release/go.mod $(wildcard tools/release/*.go tools/release/stranger/*)
	@mkdir -p $(TOOLS) && cd tools/release && GOWORK=off $(GO) build -o $(TOOLS)/release .

$(TOOLS)/buf: tools/buf/go.mod
	@mkdir -p $(TOOLS) && cd tools/buf && GOWORK=off $(GO) build -o $(TOOLS)/ tool
