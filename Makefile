# Every target is short; `make help` lists them. `make test` is the one that must pass.
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .tools/golangci-lint-$(GOLANGCI_VERSION)
FUZZTIME ?= 3s
export CGO_ENABLED ?= 1

.PHONY: help build needs test vet lint unit race e2e e2e-race lab fuzz bench golden clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

build: ## build bin/rashost (static, no cgo)
	CGO_ENABLED=0 go build -trimpath -o bin/rashost ./cmd/rashost

-include cmd/rasdll/rules.mk

needs: ## install what the tests need, or say loudly what is missing
	@bash test/needs.sh

test: needs build vet lint race e2e e2e-race lab fuzz ## run everything
	@bash test/needs.sh --summary

vet:
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "gofmt would change the files above: run gofmt -w ."; exit 1; }
	go vet ./...

lint: $(GOLANGCI) ## golangci-lint, pinned
	$(GOLANGCI) run ./...

$(GOLANGCI):
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .tools/golangci-lint $(GOLANGCI)

unit: ## unit tests without the race detector (quick)
	go test $$(go list ./... | grep -vE '/test/(e2e|lab)$$')

race: ## unit tests with the race detector
	go test -json -race -count=1 -timeout 15m $$(go list ./... | grep -vE '/test/(e2e|lab)$$') | go run ./test/report

e2e: ## end-to-end tests with the real binary
	go test -json -count=1 -timeout 10m ./test/e2e/... | go run ./test/report

e2e-race: ## the same with a binary that looks for data races
	RASHOST_E2E_RACE=1 go test -json -count=1 -timeout 15m ./test/e2e/... | go run ./test/report

lab: ## real UARTs and USB adapters in a virtual machine, with the real binary (docs/lab.md)
	go test -json -count=1 -timeout 15m ./test/lab | go run ./test/report

fuzz: ## a short fuzz of every target (FUZZTIME=3s each)
	@bash test/fuzz.sh $(FUZZTIME)

bench: build ## measure speed and size, beside the peers that are installed
	go run ./test/bench

golden: ## rewrite the generated documents and golden files
	go generate ./...
	go test ./port ./hardware ./internal/config ./internal/record -run "Golden|Diagram" -update
	go test ./plugin/external -run DocumentedExchange -update

clean: ## remove what was built
	rm -rf bin .tools
