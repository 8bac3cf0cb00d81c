# make demo    follow the logs of all containers for a few seconds (of an engine of its own where no Docker runs)
# make test    the C tests, then the Python tests with coverage: every kernel, every engine there is
# make test-engines    the tests with real engines alone, on each of those that can be fetched (Debian, root)
# make lint    formatting, linters, type checkers          make clean
# make bench   side by side with other clients, and every layer by itself (a quarter of an hour)
# make bench-quick    what is watched in CI: fails where a cost relative to bare receiving has doubled
# make reliability    promises that take long to show: faults, cuts, cancellations, hostile peers
# make soak    the same in the lengths of docs/reliability.md, then an hour of each fuzzer, two at a time: most of a day
# make fuzz SECONDS=60    libFuzzer on each C decoder, two at a time, for so long each; needs clang
# make mutants    whether the tests bite: changes one thing at a time, at every fifth place, and sees if one fails
# make coverage    what the tests run of the C core (lines) and of the decoders in Python (lines and branches)
# make pins    pin what CI installs anew, by version and hash: .ci/requirements
# make docs    the documentation as a site: build/site/index.html
# All they need is set up in .venv with PYTHON (python3, at least 3.10), anew only when the package's build changes.
# Other Pythons and single kernels: nox (`.venv/bin/nox -l`).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
BUILT_FROM := pyproject.toml $(wildcard setup.py csrc/*.c csrc/*.h src/dockerwire/kernel/*.pyx \
	src/dockerwire/kernel/*.pxd src/dockerwire/kernel/*.pxi src/dockerwire/kernel/*build*.py)

# Where bytes go through the kernel in use. What goes through all kernels by itself, or depends on none, is run once.
BY_KERNEL := -m "not every_kernel" tests/wire tests/drivers tests/cli/test_commands.py tests/cli/test_follow.py
ONCE := --ignore=tests/engine --ignore=tests/reliability --ignore=tests/types --deselect=tests/kernel/test_c.py::test_its_own_tests

# Engines have races of their own: a test that failed with one is run once more, by itself. Why it failed stands above that.
AGAIN = { echo "once more, those that failed:"; \
	$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none tests/types tests/engine; }

ENGINES := 20.10,26.1,28.5,podman-4.3,podman-5.4,podman-5.8
SECONDS ?= 60

# How many times as much of each as `make reliability` runs.
SOAKS := vectors:10 kernels_agree:200 answers:20 hostile_peers:20 linear_time:10 every_cut:14 cancel:5 interrupts:5 \
	odd_documents:2 leaks:250 time_limits:2 injection:70 extract_race:100 signals_threads:667

# What `make mutants` changes, at every so-many-th place, and the tests that are to notice; not those that take minutes.
EVERY ?= 5
MUTATED := $(addprefix dockerwire.,wire.framing wire.heads wire.exchange wire.decoders kernel.backend_python)
BITING := tests/wire tests/drivers/test_documents.py $(addprefix tests/kernel/test_,chunked.py documents.py face.py frames.py \
	logs.py timestamps.py columns.py through.py) -k "not cython and not cffi and not 100k and not fault_at_every"
DRIVERS := $(addprefix dockerwire.drivers.,core connection steps pace awaiting sync asyncio trio pump taped)

# What `make coverage` looks at: the decoders, the tools of batches and the projection where nothing is compiled.
DECODERS := $(addprefix src/dockerwire/kernel/,backend_python.py columns_python.py project.py faults.py shared.py)

.PHONY: demo test test-engines lint pins docs reliability soak mutants coverage fuzz bench bench-layers bench-quick clean

demo: $(VENV)/demo.stamp
	$(BIN)/dockerwire demo

test: $(VENV)/test.stamp
	$(MAKE) -C csrc test
	@set -e; for kernel in $$($(BIN)/python -c 'from dockerwire import kernel; print(*kernel.available()[1:])'); do \
		echo "the $$kernel kernel:"; \
		DOCKERWIRE_KERNEL=$$kernel $(BIN)/python -m pytest -q $(BY_KERNEL); \
	done
	$(BIN)/python -m pytest -q --cov $(ONCE)
	$(BIN)/python -m pytest -q tests/types tests/engine || $(AGAIN)

# 20.10 is this Debian's own docker.io; newer ones come beside it.
test-engines: $(VENV)/test.stamp
	tools/engine.sh fetch 26.1 28.5 podman-4.3 podman-5.4 podman-5.8 registry criu
	DOCKERWIRE_TEST_ENGINES=$(ENGINES) DOCKERWIRE_REQUIRE_ENGINE=$(ENGINES) $(BIN)/python -m pytest -q tests/engine

reliability: $(VENV)/test.stamp
	$(BIN)/python -m pytest -q tests/reliability

soak: $(VENV)/test.stamp
	@set -e; for part in $(SOAKS); do \
		DOCKERWIRE_SOAK=$${part#*:} $(BIN)/python -m pytest -q tests/reliability/test_$${part%:*}.py; \
	done
	$(MAKE) fuzz SECONDS=3600

fuzz:
	$(MAKE) -C csrc -j2 fuzz SECONDS=$(SECONDS)

mutants: $(VENV)/test.stamp
	DOCKERWIRE_KERNEL=python $(BIN)/python tools/mutants.py --every $(EVERY) --seconds 20 $(MUTATED) -- $(BITING)
	$(BIN)/python tools/mutants.py --every $(EVERY) --seconds 20 $(DRIVERS) -- tests/drivers tests/test_context.py -k "not cffi"

coverage: $(VENV)/test.stamp
	$(MAKE) -C csrc coverage
	$(BIN)/python -m pytest -q --cov --cov-report= --cov-fail-under=0 --hypothesis-profile=brief \
		tests/kernel --ignore tests/kernel/test_c.py -k "not cython and not cffi or test_project or test_columns_batch"
	$(BIN)/coverage report --fail-under=100 --no-skip-covered $(DECODERS)

lint: $(VENV)/nox.stamp
	$(BIN)/nox -s lint types docs

pins: | $(BIN)/python
	$(PIP) --group pins
	tools/pins.sh

docs: $(VENV)/nox.stamp
	$(BIN)/nox -s docs

# A peer that cannot be had is named and left out, and so is the real engine, which only root can start.
bench: $(VENV)/bench.stamp
	-$(MAKE) -C bench/peers peers
	$(BIN)/python bench/peers/run.py
	$(BIN)/python bench/peers/many.py --keep
	$(BIN)/python bench/peers/latency.py --keep
	$(BIN)/python bench/peers/memory.py --keep
	$(BIN)/python bench/peers/threads.py --keep
	$(BIN)/python bench/peers/imports.py --keep
	-$(BIN)/python bench/peers/real.py --keep
	-$(BIN)/python bench/peers/bars.py
	$(MAKE) bench-layers

LAYERS := $(BIN)/python -m pytest bench -o python_files="bench_*.py" --benchmark-only
bench-layers: $(VENV)/bench.stamp
	$(LAYERS)

bench-quick: $(VENV)/bench.stamp
	$(BIN)/python bench/peers/run.py --quick
	$(LAYERS) -q --benchmark-quiet --benchmark-min-rounds=1 --benchmark-max-time=0.001 # that they run at all

clean:
	-$(MAKE) -C csrc clean
	-$(MAKE) -C bench/peers clean
	rm -rf $(VENV) .nox build dist src/*.egg-info .coverage* htmlcov .benchmarks
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests bench examples tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	find src -name '*.so' -delete

# pip is renewed first: dependency groups are newer than the pip of many Pythons. In CI all is what tools/pins.sh pinned;
# what the package is built with is among it.
PINNED := --require-hashes -r .ci/requirements
EVERYTHING := -e '.[cffi,cli,speed,trio,ws]' --group test --group types

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "dockerwire needs Python 3.10 or newer; try make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(CI),$(PINNED)/pip.txt,--upgrade pip)

$(VENV)/demo.stamp: $(BUILT_FROM) | $(BIN)/python
	$(PIP) -e '.[cli]'
	touch $@

$(VENV)/test.stamp: $(BUILT_FROM) | $(BIN)/python
	$(if $(CI),$(PIP) $(PINNED)/types.txt)
	$(PIP) $(if $(CI),--no-deps --no-build-isolation -e .,$(EVERYTHING))
	touch $@ $(VENV)/demo.stamp

# uvloop is one of the worlds where it can be had.
$(VENV)/bench.stamp: $(VENV)/test.stamp
	-$(PIP) $(if $(CI),$(PINNED)/bench.txt,--group bench)
	touch $@

$(VENV)/nox.stamp: pyproject.toml | $(BIN)/python
	$(PIP) $(if $(CI),$(PINNED)/nox.txt,--group nox)
	touch $@
