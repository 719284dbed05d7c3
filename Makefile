# make test    everything that has to pass, with its own set-up on Debian and Ubuntu
# make check   formatting, vet, staticcheck, building for other systems
# make fuzz    every fuzz target for FUZZTIME, at most FUZZMINIMIZE of it on making one input smaller
# make soak    the long tests (minutes each)
# make bench   the benchmarks beside the peers; a module of its own in bench/

SHELL     := /bin/bash
GO        ?= go
TIMEOUT   ?= 30m
FUZZTIME  ?= 20s
FUZZMINIMIZE ?= 1s
STATICCHECK = $(GO) tool -modfile=internal/tools/go.mod staticcheck

# Packages whose tests are short; the integration tests in tests/ are run apart,
# because they start a process for each library of the distribution.
UNITS = $$($(GO) list ./... | grep -v '/tests$$')

# What runs in the test's own process, and so differs by how that is built. The
# others start programs, which they build alike each time.
INSIDE = $$($(GO) list ./... | grep -v '/tests')

.PHONY: all build setup check fmt vet staticcheck cross test test-static test-cgo test-noopt test-user fuzz soak bench

all: build

# The command is linked high up, away from where programs of a fixed address want to be,
# and begins before the Go runtime does: see RATIONALE.md. Debuggers look for probes in its file.
build:
	CGO_ENABLED=0 $(GO) build ./...
	CGO_ENABLED=0 $(GO) build -ldflags="$$(cat cmd/weld/ldflags)" -o bin/weld ./cmd/weld
	bin/weld stamp bin/weld

setup:
	@.ci/setup

check: fmt vet staticcheck cross

fmt:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt would change:" $$bad >&2; exit 1; fi

vet:
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=1 $(GO) vet ./...

staticcheck:
	CGO_ENABLED=0 $(STATICCHECK) ./...

# The readers and the linker are for every system; the rest must at least be
# left out of a build elsewhere without an error.
cross:
	@for os in darwin windows freebsd; do \
		pkgs=$$(GOOS=$$os CGO_ENABLED=0 $(GO) list -e -f '{{if .GoFiles}}{{.ImportPath}}{{end}}' ./image/... ./arch/... ./link/... ./ctype/... 2>/dev/null); \
		[ -z "$$pkgs" ] || { echo "GOOS=$$os go build" $$pkgs; GOOS=$$os CGO_ENABLED=0 $(GO) build $$pkgs || exit 1; }; \
	done

test: setup check test-static test-cgo test-noopt test-user

test-static:
	CGO_ENABLED=0 $(GO) test -timeout $(TIMEOUT) $(UNITS)
	CGO_ENABLED=0 $(GO) test -timeout $(TIMEOUT) ./tests

test-cgo:
	CGO_ENABLED=1 $(GO) test -race -timeout $(TIMEOUT) $$(printf '%s\n' $(INSIDE) | grep -v '/link\|/image\|/abi\|/ctype\|/gogen')
	CGO_ENABLED=1 $(GO) test -race -short -timeout $(TIMEOUT) ./link/... ./image/... ./native/abi/... ./ctype ./internal/gogen ./tests ./tests/live
	CC=musl-gcc CGO_ENABLED=1 $(GO) test -ldflags='-linkmode external' -timeout $(TIMEOUT) -run '^TestMusl$$|^TestFreestanding$$|^TestThreadEnds$$|^TestStackOfThread$$' ./tests
	CC=musl-gcc CGO_ENABLED=1 $(GO) test -ldflags='-linkmode external' -timeout $(TIMEOUT) ./native

test-noopt:
	CGO_ENABLED=0 $(GO) test -short -gcflags=all='-N -l' -timeout $(TIMEOUT) $$(printf '%s\n' $(INSIDE) | grep -v '/link\|/ctype') ./tests

test-user:
	@.ci/as-user $(GO)

# Before Go 1.27 the end of FUZZTIME is taken for a failure at times: go.dev/issue/75804. It says nothing but the one line then.
fuzz:
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	for pkg in $$($(GO) list ./...); do \
		for f in $$(CGO_ENABLED=0 $(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; \
			CGO_ENABLED=0 $(GO) test -timeout 0 -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime $(FUZZMINIMIZE) $$pkg 2>&1 | tee $$log; \
			[ $${PIPESTATUS[0]} -eq 0 ] || \
				awk '/^--- FAIL/ { getline a; getline b; late = a == "    context deadline exceeded" && b == "FAIL" } END { exit !late }' $$log || exit 1; \
		done; \
	done

soak: setup
	WELD_SOAK=1 CGO_ENABLED=0 $(GO) test -timeout 3h -run Soak -v ./...
	WELD_SOAK=1 CGO_ENABLED=1 $(GO) test -race -timeout 3h -run Soak -v ./...

bench: setup
	$(MAKE) -C bench
