# Versions of the tools; each lands in .bin under its version, so that a new version is a new install.
GOFUMPT_VERSION     := v0.9.2
STATICCHECK_VERSION := v0.7.0
ACTIONLINT_VERSION  := v1.7.12

# How long new inputs are fuzzed, over all targets together.
FUZZ_SECONDS ?= 240
GOTESTFLAGS  ?=

# The program is compiled by its profile, cmd/tidemark/default.pgo; tests need not be, which would compile all twice.
unprofiled := -pgo=off # the same in deploy/local/gotest.sh

# SQLite is C turned into Go, with memory and locks of its own that no code of ours touches. Watched by the race detector
# it takes two thirds of the time of all tests and can tell nothing; its driver, which shares memory with us, is watched.
unwatched := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory/...
# Stage lint vets all of it; to vet what the detector watches again would compile it once more for that.
watched   := -vet=off -race $(unwatched:%=-gcflags=%=-race=false)

SHELL        := bash
.SHELLFLAGS  := -eu -o pipefail -c

bin         := $(CURDIR)/.bin
gofumpt     := $(bin)/gofumpt-$(GOFUMPT_VERSION)
staticcheck := $(bin)/staticcheck-$(STATICCHECK_VERSION)
actionlint  := $(bin)/actionlint-$(ACTIONLINT_VERSION)
alertcheck  := $(bin)/alertcheck
deploycheck := $(bin)/deploycheck
test_sh     := ./deploy/local/test.sh

# All Go files that we wrote; examples of violations under testdata are none of them.
sources = git ls-files -co --exclude-standard -- '*.go' | grep -v '/testdata/' | while read -r f; do [[ ! -e $$f ]] || echo "$$f"; done

# Properties are drawn from one seed, so that a commit passes or fails by what it says; a soak draws others.
stage-unit stage-race stage-sim stage-e2e: export RAPID_SEED ?= 1

.PHONY: help build test unit race sim fuzz golden lint fmt bench e2e soak
.DEFAULT_GOAL := help

help:
	@echo 'build   the program, ./tidemark'
	@echo 'test    everything: lint, build, race, sim, fuzz, e2e, with real servers that it installs'
	@echo 'unit    go test ./... : all that needs no server'
	@echo 'race    all tests under the race detector, but the few marked !race without it, with real servers'
	@echo 'sim     tests in virtual time with the in-memory Kafka'
	@echo 'fuzz    FUZZ_SECONDS (240) of new inputs, shared by all fuzz targets'
	@echo 'golden  rewrite the text files of planner tests; read the diff'
	@echo 'lint    gofumpt, vet, staticcheck, internal/lint; alert rules, dashboards, deploy/ and workflows by parsers of the tools that use them'
	@echo 'fmt     format the sources'
	@echo 'bench   micro-benchmarks, then load on a real Kafka (go run ./bench)'
	@echo 'e2e     the built program against real servers: the whole path with the time of each stage, faults, kill -9'
	@echo 'soak    20,000 schedules of tasks in virtual time, every kind of fault, e2e with more rounds and events, ten minutes of kill -9 and of the demo; takes two hours'

test:
	@$(test_sh) lint build race sim fuzz e2e

# What needs servers starts them.
race bench e2e:
	@$(test_sh) $@

soak:
	@TIDEMARK_TEST_SOAK=1 $(test_sh) soak

build unit sim fuzz golden lint fmt: %: stage-%

.PHONY: stage-build stage-unit stage-race stage-sim stage-fuzz stage-golden stage-lint stage-fmt stage-bench stage-e2e stage-soak

# As go run compiles it, which e2e does then without compiling all again.
stage-build:
	go build -o tidemark ./cmd/tidemark
	go build $(unprofiled) ./...

stage-unit:
	go test $(unprofiled) $(GOTESTFLAGS) ./...

stage-race:
	go test $(watched) $(unprofiled) -timeout 25m $(GOTESTFLAGS) ./...
	@deploy/local/gotest.sh unraced $(GOTESTFLAGS)

stage-sim:
	@deploy/local/gotest.sh sim $(GOTESTFLAGS)

stage-fuzz:
	@deploy/local/gotest.sh fuzz $(FUZZ_SECONDS)

stage-e2e:
	@deploy/local/gotest.sh e2e $(GOTESTFLAGS)

stage-soak:
	go test $(unprofiled) -count=1 -timeout 2h -v -run '^Test(Sim|Crash)' ./builder ./builder/scheduler
	@deploy/local/gotest.sh e2e $(GOTESTFLAGS)

stage-golden:
	go test $$(go list -f '{{join .TestImports " "}} {{join .XTestImports " "}} {{.ImportPath}}' ./... | grep datadriven | awk '{print $$NF}') -rewrite

stage-lint: $(gofumpt) $(staticcheck) $(actionlint) $(alertcheck) $(deploycheck)
	@bad=$$($(sources) | xargs $(gofumpt) -l); [[ -z $$bad ]] || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }
	go vet -tags e2e,synctests ./...
	$(staticcheck) -tags e2e,synctests ./...
	go test -count=1 ./internal/lint
	$(alertcheck) docs/METRICS.md deploy/alerts.yaml deploy/prometheus.yaml deploy/grafana/dashboards/*.json
	$(deploycheck) .
	$(actionlint) .github/workflows/*.yaml

stage-fmt: $(gofumpt)
	@$(sources) | xargs $(gofumpt) -l -w

stage-bench:
	go test -run '^$$' -bench . -benchtime 1s -benchmem ./...
	go run ./bench ingest --brokers $$TIDEMARK_TEST_KAFKA

$(gofumpt):
	GOBIN=$(bin) GOFLAGS= go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	@mv $(bin)/gofumpt $@

$(alertcheck): $(wildcard deploy/alertcheck/*)
	cd deploy/alertcheck && GOFLAGS= go build -o $@ .

$(deploycheck): $(wildcard deploy/deploycheck/*)
	cd deploy/deploycheck && GOFLAGS= go build -o $@ .

$(actionlint):
	GOBIN=$(bin) GOFLAGS= go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	@mv $(bin)/actionlint $@

$(staticcheck):
	GOBIN=$(bin) GOFLAGS= go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@mv $(bin)/staticcheck $@
