# The two commands are `make book` and `make test`; `make` alone lists the others.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PORT ?= 8000
LIGHT := chapters exercises solutions
# Two workers with one thread each: more threads than cores would slow the tests down.
ALONE := OMP_NUM_THREADS=1
NBVAL := $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 \
	--nbval-sanitize-with tests/nbval.cfg -n 2 --dist loadfile -q
# What needs the built book or a browser.
HTML_TESTS := $(addprefix tests/test_,accessibility.py book.py browser.py findable.py page_table.py \
	policy.py site.py theme.py)
SMOKE := _build/smoke
export IPYTHONDIR := $(CURDIR)/tools/ipython
export PYTHONHASHSEED := 0
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help book test lint unit notebooks smoke html train serve pdf zip refresh bench portable \
	colab set-repository lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

book: $(STAMP)  ## build the book; open _build/html/index.html
	@$(BIN)/python tools/build.py
	@echo "built: open _build/html/index.html"

test: lint unit notebooks smoke html  ## everything CI checks

lint: $(STAMP)  ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

unit: $(STAMP)  ## unit tests of dlvlib, tools, claims and records
	$(ALONE) $(BIN)/python -m pytest -n 2 -q $(HTML_TESTS:%=--ignore %)
	$(ALONE) $(BIN)/python -m pytest -q --doctest-modules dlvlib

notebooks: $(STAMP)  ## execute the light notebooks and compare what they say
	$(ALONE) $(NBVAL) $(LIGHT)

smoke: $(STAMP)  ## run every training notebook for seconds, on the embedded digits
	rm -rf $(SMOKE)
	$(ALONE) $(BIN)/python tools/train.py --budget smoke --results $(SMOKE)

html: $(STAMP)  ## build the book from nothing and check its HTML, also in a browser
	@$(BIN)/python tools/build.py --fresh
	$(ALONE) $(BIN)/python -m pytest -n 2 -q $(HTML_TESTS)

train: $(STAMP)  ## run what is not recorded: ONLY=name BUDGET=full MINUTES=10 CIFAR=folder SHARE=1/2
	DLV_SHARE=$(SHARE) $(BIN)/python tools/train.py $(if $(ONLY),--only $(ONLY)) --budget $(or $(BUDGET),full) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(CIFAR),--cifar $(CIFAR))

serve: book  ## build, then serve the book on this machine: PORT=8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

pdf: book  ## print the whole book to _build/dlv-course.pdf (needs Chromium)
	$(BIN)/python tools/pdf.py

zip: book  ## pack the site for a classroom without network: _build/dlv-course.zip
	$(BIN)/python tools/pack.py

refresh: $(STAMP)  ## execute the light notebooks again and store what they say
	$(BIN)/python tools/notebooks.py refresh

bench: $(STAMP)  ## measure training speed, side by side, and write benchmarks/results/: ROUNDS=5
	$(BIN)/python benchmarks/run_all.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(STEPS),--steps $(STEPS))

portable: $(STAMP)  ## compare the notebooks again with older CPU instructions and two threads
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2 $(NBVAL) $(LIGHT)

colab: $(STAMP)  ## run every notebook as on Colab: unmodified, fetched, torch kept
	$(BIN)/python tools/colab.py

set-repository: $(STAMP)  ## set the address of the repository: URL=https://github.com/owner/name
	@$(BIN)/python tools/set_repository.py '$(URL)'

lock: $(STAMP)  ## write constraints.txt from what is installed
	$(BIN)/python -m pip freeze --exclude-editable \
		| grep -viE '^(nvidia|cuda|triton)' > constraints.txt

clean:  ## remove what can be made again, .venv included
	rm -rf _build .venv *.egg-info .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt tools/install.py
	@$(PYTHON) tools/install.py
