# Two commands on a bare machine: `make demo` and `make test`. Both make the environment first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= runs/demo
WORKERS ?= 2

.PHONY: demo test test-slow lint types docs bench clean help

demo: $(STAMP)  ## the whole job on generated CT phantoms, or on DATA=folder
	$(BIN)/samadapt demo --out $(OUT)$(if $(DATA),-$(notdir $(patsubst %/,%,$(DATA)))) $(if $(DATA),--data $(DATA)) --resume

test: $(STAMP)  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -q

test-slow: $(STAMP)  ## only the tests that take longest
	$(BIN)/python -m pytest -m slow -q

lint: $(STAMP)  ## ruff, mypy and the layers of the package
	$(BIN)/ruff check src tests benchmarks recipes docs
	$(BIN)/ruff format --check src tests benchmarks recipes docs
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the documentation as a website in site/
	$(BIN)/pip install -q -c constraints.txt --group docs
	$(BIN)/python docs/reference/make.py
	$(BIN)/zensical build

bench: $(STAMP)  ## every benchmark, both sides in one run
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	for file in prepare read metrics train_step scenes startup tiny; do $(BIN)/python benchmarks/$$file.py; done

clean:  ## the environment and everything made by it
	rm -rf $(VENV) site build dist

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q 'pip>=25.1'
	$(BIN)/python -m pip install -q -c constraints.txt -e . --group dev
	touch $(STAMP)
