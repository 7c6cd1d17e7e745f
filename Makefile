# SentinelAI. `make` alone lists what there is.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
PROGRAMS := sentinel-agent sentinelctl
CORPUS   ?= ../shared/corpora
FUZZTIME ?= 10s
STATICCHECK := $(GO) tool -modfile=tools/go.mod staticcheck

.PHONY: help build setup demo run test unit race lint bench eval quality fuzz faults geo clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build static binaries into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(PROGRAMS))

setup: ## install what tests and demo need (Debian or Ubuntu, root or sudo)
	@./scripts/setup.sh

demo: build setup ## live attack replay in network namespaces, blocked by the kernel
	@./scripts/demo.sh

run: build ## run the agent on this machine, watching only (nothing is blocked)
	@./scripts/run.sh

test: setup unit race ## install what the tests need and run them all

# Without cgo, as the programs are built that are shipped.
unit: build
	CGO_ENABLED=0 $(GO) test -timeout 20m ./...

# The race detector needs cgo; it runs everything once more, long loops cut short.
race:
	CGO_ENABLED=1 $(GO) test -race -short -timeout 25m ./...

lint: ## gofmt, go vet, staticcheck, go mod verify
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt needed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) mod verify

bench: build setup ## measure speed, latency and memory; prints a table
	@$(GO) run ./test/bench

eval: build ## recall and false alerts on labelled cases (CORPUS=folder)
	@$(GO) run ./test/eval -corpus '$(CORPUS)'

quality: build ## the same, written into docs/detection-quality.md
	@$(GO) run ./test/eval -corpus '$(CORPUS)' -report docs/detection-quality.md

fuzz: ## fuzz every parser for FUZZTIME each
	@./scripts/fuzz.sh $(FUZZTIME)

faults: build setup ## the catalogue of faults and attacks against the whole agent; prints a table
	@$(GO) run ./test/faults

geo: ## pack a database of countries that may be passed on, into dist/geo
	@./scripts/geo.sh

clean: ## remove what was built
	rm -rf bin dist
