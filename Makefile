# Two commands for users: `make quickstart` and `make test`. Everything they need, they install (see scripts/bootstrap).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BUILD := build/release
# LibTorch's threads otherwise spin while they wait for each other, which costs a shared machine most of its speed.
export OMP_WAIT_POLICY ?= passive
.PHONY: help deps build quickstart test test-debug test-threads check-locks fuzz soak test-parity tutorial-p3 bench bench-peers install format check-format clean

help:
	@echo "make quickstart          set up, build, run the whole tutorial on a small task set (results in out/quickstart)"
	@echo "make test                set up, build the tests and run them all"
	@echo "make build               the program at build/quiver"
	@echo "make tutorial-p3 DATA=D  the tutorial on real P3 tasks; D holds p3-flat/ and arc/ (results in out/tutorial_p3)"
	@echo "make bench               micro-benchmarks of the kernels (FILTER=REGEX)"
	@echo "make bench-peers         Quiver beside PEFT, transformers, lm-eval and llama.cpp; writes docs/benchmarks.md"
	@echo "make test-debug          unit tests with address and undefined-behaviour sanitizers"
	@echo "make test-threads        unit tests of the HTTP server and of what locks, with the thread sanitizer"
	@echo "make check-locks         clang reads who holds which mutex (needs clang-14)"
	@echo "make fuzz [RUNS=1000000] what clients may send, what models may draw, under the same sanitizers (SEED=0)"
	@echo "make soak [SECONDS=1200] a server under random clients: no good request fails, memory stays (LIBRARY=out/quickstart/library)"
	@echo "make test-parity         Quiver beside PEFT, mttl, lm-eval, tokenizers themselves on the same input (ONLY=\"peft training\")"
	@echo "make install PREFIX=P    the program, the library and its CMake package"

deps:
	./scripts/bootstrap

build: deps
	cmake --preset release >/dev/null
	cmake --build $(BUILD) --target quiver_program
	ln -sfn release/quiver build/quiver

quickstart: build
	./build/quiver tutorial -c configs/quickstart.json --out out/quickstart
	@echo "all of it on one page: out/quickstart/report.html; charts and numbers: rouge.png accuracy.png routing.png results.json"
	@echo "serve what was trained: ./build/quiver serve smollm2-135m --library out/quickstart/library --router prompt,arrow"

test: deps check-format
	cmake --preset test >/dev/null
	cmake --build $(BUILD)
	ln -sfn release/quiver build/quiver
	./build/quiver fetch smollm2-135m
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

test-debug: deps
	cmake --preset debug >/dev/null
	cmake --build build/debug
	# LibTorch itself is not instrumented: its start-up allocations and duplicate symbols are not ours to report.
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 UBSAN_OPTIONS=halt_on_error=1 ctest --test-dir build/debug -L unit --output-on-failure

# LibTorch and libgomp are not instrumented: what runs here is without them.
test-threads: deps
	cmake --preset threads >/dev/null
	cmake --build build/threads --target quiver_http_unit_test quiver_core_unit_test
	build/threads/tests/quiver_http_unit_test
	build/threads/tests/quiver_core_unit_test

# Two minutes: the files with locks are parsed, nothing is compiled.
check-locks: deps
	@command -v clang++-14 >/dev/null || { echo "check-locks: there is no clang++-14; apt install clang-14" >&2; exit 1; }
	cmake --preset thread-safety >/dev/null
	./scripts/check_locks build/thread-safety

# Without tensors, so leaks are ours. -O1: a million runs an hour instead of three.
fuzz: deps
	cmake --preset debug -B build/fuzz -DCMAKE_CXX_FLAGS_DEBUG="-g -O1" >/dev/null
	cmake --build build/fuzz --target quiver_fuzz_unit_test
	QUIVER_FUZZ_RUNS=$(or $(RUNS),1000000) QUIVER_FUZZ_SEED=$(or $(SEED),0) UBSAN_OPTIONS=halt_on_error=1 \
	  build/fuzz/tests/quiver_fuzz_unit_test $(if $(FILTER),--gtest_filter="$(FILTER)")

soak: build
	python3 -B tests/soak/soak.py --quiver build/quiver --library $(or $(LIBRARY),out/quickstart/library) --seconds $(or $(SECONDS),1200)

test-parity: build
	cmake --preset test >/dev/null
	cmake --build $(BUILD) --target quiver_text_shared_test quiver_chat_shared_test
	./scripts/test_parity $(ONLY)

tutorial-p3: build
	@test -n "$(DATA)" || { echo "usage: make tutorial-p3 DATA=FOLDER (holding p3-flat/p3-flat.parquet and arc/ARC-Easy-Test.jsonl)"; exit 2; }
	QUIVER_P3="$(DATA)/p3-flat/p3-flat.parquet" QUIVER_ARC="$(DATA)/arc/ARC-Easy-Test.jsonl" \
	  ./build/quiver tutorial -c configs/tutorial_p3.json --out out/tutorial_p3

# What is measured has the machine to itself: threads may spin.
bench: deps
	cmake --preset release -DQUIVER_BUILD_BENCHMARKS=ON >/dev/null
	cmake --build $(BUILD) --target quiver_kernel_benchmarks
	env -u OMP_WAIT_POLICY $(BUILD)/quiver_kernel_benchmarks $(if $(FILTER),--benchmark_filter="$(FILTER)")

bench-peers: build
	env -u OMP_WAIT_POLICY ./scripts/bench_peers $(if $(DATA),--data "$(DATA)") $(if $(ONLY),--only "$(ONLY)")

install: build
	cmake --build $(BUILD)
	cmake --install $(BUILD) --prefix "$(PREFIX)"

SOURCES = $(shell find include src apps bench tests tools examples python -name '*.h' -o -name '*.cc')
format: deps
	clang-format-14 -i $(SOURCES)
check-format: deps
	clang-format-14 --dry-run --Werror $(SOURCES)

clean:
	rm -rf build out
