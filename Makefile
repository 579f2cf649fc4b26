# Quire. `make help` lists what there is; README.md tells the rest.
MODEL ?= smollm2-135m
PORT ?= 8080
PREFIX ?= /usr/local
SOAK_SECONDS ?= 600
KILLS ?= 500
SEED ?= 1
BUILD := build/release
QUIRE := build/quire
MODEL_FILE = models/$(MODEL).gguf

.PHONY: all build run chat test chaos test-clang test-asan test-tsan soak bench dashboard docs fuzz-smoke format tidy install clean help

all: build

build:  ## build the binary (build/quire)
	@tools/bootstrap build
	@cmake --preset release -Wno-dev --log-level=WARNING -DQUIRE_TESTS=OFF >/dev/null
	@cmake --build --preset release --target quire
	@ln -sf release/quire $(QUIRE)

run: build  ## build, fetch a small real model, serve it and show a first answer
	@tools/fetch_model $(MODEL)
	@tools/run_demo $(QUIRE) $(MODEL_FILE) $(PORT)

chat: build  ## talk to the same model in the terminal
	@tools/fetch_model $(MODEL)
	@$(QUIRE) chat $(MODEL_FILE)

test:  ## build and run every test
	@tools/bootstrap test
	@tools/fetch_model smollm2-135m
	@cmake --preset release -Wno-dev --log-level=WARNING -DQUIRE_TESTS=ON >/dev/null
	@cmake --build --preset release
	@ln -sf release/quire $(QUIRE)
	@ctest --test-dir $(BUILD) --output-on-failure --parallel 2

test-clang:  ## the same bits from another compiler: build with clang 19 and compare
	@tools/bootstrap fuzz
	@tools/fetch_model smollm2-135m
	@cmake --preset clang -Wno-dev --log-level=WARNING >/dev/null
	@cmake --build --preset clang
	@ctest --test-dir build/clang --output-on-failure -R 'kernels|law2|model|goldens'

test-asan:  ## tests under the address and undefined-behaviour sanitizers
	@tools/bootstrap test
	@cmake --preset asan -Wno-dev --log-level=WARNING >/dev/null
	@cmake --build --preset asan
	@ctest --test-dir build/asan --output-on-failure -LE e2e

test-tsan:  ## tests under the thread sanitizer
	@tools/bootstrap test
	@cmake --preset tsan -Wno-dev --log-level=WARNING >/dev/null
	@cmake --build --preset tsan
	@ctest --test-dir build/tsan --output-on-failure -R 'base|engine|server'

chaos:  ## kill a server under load 500 times (KILLS=N SEED=N), and prove that nothing is lost or wrong
	@tools/bootstrap test
	@cmake --preset release -Wno-dev --log-level=WARNING -DQUIRE_TESTS=ON >/dev/null
	@cmake --build --preset release --target quire write_tiny_model
	@tools/python tests/e2e/chaos.py --kills $(KILLS) --seed $(SEED)

soak: build  ## live with a server for SOAK_SECONDS (600): 64 clients, disconnects, bad input
	@tools/bootstrap test
	@tools/fetch_model smollm2-135m
	@QUIRE_BINARY=$(CURDIR)/$(QUIRE) PYTHONDONTWRITEBYTECODE=1 \
	  tools/python tests/soak/soak.py --seconds $(SOAK_SECONDS)

bench: build  ## measure a model, the kernels and what KV formats cost (bench/report.py: and peers)
	@tools/bootstrap bench
	@tools/fetch_model $(MODEL)
	@cmake --preset release -Wno-dev --log-level=WARNING -DQUIRE_BENCH=ON -DQUIRE_TESTS=OFF >/dev/null
	@cmake --build --preset release --target benchmarks
	@tools/run_bench $(BUILD) $(MODEL_FILE)

dashboard:  ## build the dashboard's pages anew (dashboard/dist), after a change of dashboard/src
	@tools/bootstrap test
	@tools/dashboard build

docs:  ## the documentation as a site, in build/site
	@tools/bootstrap test
	@NO_MKDOCS_2_WARNING=1 tools/python -m mkdocs build --strict

fuzz-smoke:  ## fuzz every input format for 60 s each
	@tools/bootstrap fuzz
	@cmake --preset fuzz -Wno-dev --log-level=WARNING >/dev/null
	@cmake --build --preset fuzz --target fuzzers
	@tools/fuzz_smoke build/fuzz 60

format:  ## format the sources
	@clang-format-19 -i $$(git ls-files '*.h' '*.cc')

tidy:  ## check the rules of the house
	@python3 tools/tidy.py

install: build  ## install binary, man page and systemd unit under PREFIX
	@install -D -m 755 $(BUILD)/quire $(DESTDIR)$(PREFIX)/bin/quire
	@install -D -m 644 docs/quire.1 $(DESTDIR)$(PREFIX)/share/man/man1/quire.1
	@sed 's|@PREFIX@|$(PREFIX)|g' deploy/quire.service.in | install -D -m 644 /dev/stdin \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/quire.service

clean:  ## remove what was built
	@rm -rf build

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'
