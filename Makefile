# make demo: install into .venv and run the main job on a sample.   make test: the tests, in the same .venv.
# make docs: the documentation as a site, in site/.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint check docs bench clean

demo: .venv/installed
	$(BIN)/seisdiff demo demo --overwrite

test: .venv/tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check: lint test

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo site/index.html

bench: .venv/bench
	$(BIN)/python benchmarks/radon.py
	$(BIN)/python benchmarks/io.py
	$(BIN)/python benchmarks/synthetic.py
	$(BIN)/python benchmarks/unet.py
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python benchmarks/gpu.py

clean:
	rm -rf .venv demo dist build site

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) -e .
	touch $@

.venv/tests: .venv/installed
	$(PIP) -e ".[test]"
	touch $@

.venv/dev: .venv/tests
	$(PIP) -e ".[dev]"
	touch $@

.venv/docs: .venv/installed
	$(PIP) -e ".[docs]"
	touch $@

.venv/bench: .venv/tests
	$(PIP) -e ".[bench]"
	touch $@
