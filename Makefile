# make demo: installs, runs the main job on a bundled model and bundled facts, ends with the path of the report.
# make test: installs, then runs all tests. Both work on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
MODEL ?= pocket-gpt2
FACTS ?= bundled?relation=capital,author,animal_class,chemical_symbol,president&sample=60&seed=1

.PHONY: demo test check dist design tables install clean

demo: $(VENV)/.installed
	$(BIN)/factneurons run $(MODEL) "$(FACTS)" --out $(RUN)

# Tiny models are faster with one thread than with two; one process per core, the tests of a file in one.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The wheel and the source package, tried as somebody would who has nothing but the wheel.
dist: $(VENV)/.installed-dev
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 dist/*.whl
	cd dist && ../$(VENV)-wheel/bin/factneurons ask pocket-gpt2 "The capital of France is ___" Paris
	rm -rf $(VENV)-wheel

# The diagram of docs/design.md, from the imports as they are.
design: $(VENV)/.installed-dev
	$(BIN)/python docs/draw_design.py

# The tables of the documentation, from their declarations; a test says when they are old.
tables: $(VENV)/.installed-dev
	$(BIN)/python -m factneurons.runs.document docs/runs.md docs/degeneracy.md

install: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 --editable '.[dev]'
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) $(VENV)-wheel dist runs .pytest_cache .mypy_cache .ruff_cache
