# make demo: installs, runs the main job on a bundled model and bundled facts, ends with the path of the report.
# make test: installs, then runs all tests.
# make docs: installs, then builds the site of the documentation. All work on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
MODEL ?= pocket-gpt2
# Models as small as these are no faster with more threads, but with more processes; one per core, at most four.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() or 1))")
FACTS ?= bundled?relation=capital,author,animal_class,chemical_symbol,president&sample=60&seed=1

.PHONY: demo test long versions check audit dist design tables docs install clean

demo: $(VENV)/.installed
	$(BIN)/factneurons run $(MODEL) "$(FACTS)" --out $(RUN) --workers $(WORKERS)

# Tiny models are faster with one thread than with two; one process per core, the tests of a file in one.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# Everything that is done to break it, as often as docs/reliability.md says, which it writes.
long: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long -n auto --dist loadfile

# The golden numbers in the lowest and in the newest versions, which docs/reliability.md then tells. On a computer without a
# GPU: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make versions spares the CUDA builds of PyTorch.
versions: $(VENV)/.installed-dev
	rm -rf $(VENV)-lowest $(VENV)-newest
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable '.[topology]'
	$(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --quiet --editable '.[topology]'
	$(BIN)/python tests/golden.py $(VENV)-lowest/bin/python $(VENV)-newest/bin/python

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known faults of the pinned packages, by pip-audit, which needs PyPI's advisory service: without it that is said, no more.
audit:
	$(PYTHON) -m venv $(VENV)-audit
	-$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(VENV)-audit/bin/python tests/audit.py
	rm -rf $(VENV)-audit

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

# The site, with its notebooks run; a warning is an error. It then lies in build/docs.
docs: $(VENV)/.installed-docs
	OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sphinx -W --keep-going --jobs auto docs build/docs

install: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 --editable '.[dev]'
	touch $(VENV)/.installed $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0 --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-wheel $(VENV)-lowest $(VENV)-newest build dist runs .pytest_cache .mypy_cache .ruff_cache
