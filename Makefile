# Needs Python 3.10 or later, Rust and make. All else is set up here, once: Python's side in $(VENV),
# the wheel in build/, compiled crates in $(CARGO_TARGET_DIR).

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
STAMPS := $(VENV)/stamps
WHEELS := build/wheels
PANDAS2 := build/bench-pandas2
SCRIPTS := $(wildcard benchmarks examples)
CRATE := Cargo.toml Cargo.lock $(shell find src -name '*.rs')
PACKAGE := pyproject.toml README.md $(shell find python -type f ! -name '*.pyc')

# pyo3 rebuilds everything above it, polars included, when its settings change. maturin has settings
# of its own and builds with --release; the lints have these and the dev profile, so neither undoes
# the other's work.
LINT := PYO3_PYTHON=$(abspath $(PY)) cargo clippy --locked --all-targets

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test soak bench wheel clean install
.PHONY: check-format check-rust check-python check-lints check-types check-wheel

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMPS)/examples  ## run the example strategy (ARGS="--fresh" to start anew)
	$(PY) examples/quickstart.py $(ARGS)

test: check-rust check-format check-python check-lints check-types check-wheel  ## run every check

soak: $(STAMPS)/test  ## run the tests that take long
	$(PY) -m pytest -m soak tests/python $(wildcard tests/soak) $(ARGS)

bench: $(STAMPS)/bench $(STAMPS)/pandas2  ## measure, beside other caches, and write docs/benchmarks.md
	$(PY) -m benchmarks $(ARGS)

wheel: $(STAMPS)/wheel  ## build the wheel into build/wheels
	@ls $(WHEELS)/*.whl

install: $(STAMPS)/test $(STAMPS)/lint $(STAMPS)/bench $(STAMPS)/pandas2  ## set up everything, run nothing

check-rust: $(STAMPS)/python
	cargo fmt --check
	cargo test --locked --no-default-features

check-format: $(STAMPS)/lint
	$(PY) -m ruff format --check python tests $(SCRIPTS)
	$(PY) -m ruff check python tests $(SCRIPTS)

check-python: $(STAMPS)/test
	$(PY) -m pytest -n auto --dist worksteal $(ARGS)

check-lints: $(STAMPS)/python
	$(LINT) --no-default-features -- -D warnings
	$(LINT) --features python -- -D warnings

check-types: $(STAMPS)/lint $(STAMPS)/test
	$(PY) -m mypy
	$(PY) -m mypy.stubtest afml_cache._native

check-wheel: $(STAMPS)/wheel
	$(PY) tests/wheel/matrix.py $(WHEELS)/*.whl build/environments

$(STAMPS)/python:
	@command -v cargo >/dev/null || { \
	  echo "cargo is missing: install Rust 1.89 or later, then run make again" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "$(PYTHON) is missing or older than 3.10: make PYTHON=python3.12 names another" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip 'maturin>=1.9.4,<2'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/wheel: $(CRATE) $(PACKAGE) | $(STAMPS)/python
	rm -rf $(WHEELS)
	$(PY) -m maturin build --release --locked --interpreter $(abspath $(PY)) --out $(WHEELS)
	$(PIP) $(WHEELS)/*.whl
	$(PIP) --force-reinstall --no-deps $(WHEELS)/*.whl
	@touch $@

# One stamp for each extra of pyproject.toml.
$(STAMPS)/examples $(STAMPS)/test $(STAMPS)/lint $(STAMPS)/bench: pyproject.toml | $(STAMPS)/wheel
	$(PIP) "$$(echo $(WHEELS)/*.whl)[$(@F)]"
	@touch $@

# ArcticDB needs a pandas before 3. Where it can't be installed, its rows of the report say so.
$(STAMPS)/pandas2: $(STAMPS)/bench
	rm -rf $(PANDAS2)
	$(PY) -m venv $(PANDAS2)
	$(PANDAS2)/bin/python -m pip install --quiet --disable-pip-version-check \
	  "$$(echo $(WHEELS)/*.whl)[bars]" 'arcticdb>=6' 'pandas>=2.2,<3' 'pyarrow>=20' || rm -rf $(PANDAS2)
	@touch $@

clean:  ## remove all that make set up, save the compiled crates (cargo clean removes those)
	rm -rf build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	if [ -e $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
