# The two commands are `make book` and `make test`; `make` alone lists the others.
PYTHON ?= python3
PORT ?= 8000
# `make test VENV=$CONDA_PREFIX` uses that environment as it is and installs nothing.
BIN := $(or $(VENV),.venv)/bin
STAMP := $(if $(VENV),,.venv/.installed)
# Two processes with one thread each: more threads than cores slow the tests down.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal
LIGHT := chapters exercises solutions
SMOKE := _build/smoke
export IPYTHONDIR := $(CURDIR)/tools/ipython
export PYTHONHASHSEED := 0
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help book test quick lint ruff mypy github pages notebooks smoke mutate lowest train \
	serve pdf zip slides dist release refresh bench portable colab without set-repository \
	lock clean FORCE

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

book: $(STAMP)  ## build the book; open _build/html/index.html. TORCH=cpu: without CUDA
	@$(BIN)/python tools/build.py
	@echo "built: open _build/html/index.html"

test: $(STAMP)  ## everything CI checks
	$(MAKE) --jobs 3 lint notebooks smoke
	$(PYTEST)

quick: ruff  ## ruff and the tests that need no book, no browser and little time
	$(PYTEST) -m "not slow and not book and not browser"

lint: ruff mypy github pages  ## what pre-commit runs: ruff, mypy, workflows, contents of the book

ruff: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

mypy: $(STAMP)
	$(BIN)/mypy

github: $(STAMP)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
		.github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/mistake.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet --no-progress --persona pedantic .github

pages: $(STAMP)
	$(BIN)/python tools/lint_book.py

notebooks: book  ## compare the stored outputs, by nbval, with those that the build computed
	$(BIN)/python tools/compare.py

smoke: $(STAMP)  ## run every training notebook for seconds, on the embedded digits
	rm -rf $(SMOKE)
	OMP_NUM_THREADS=1 $(BIN)/python tools/train.py --budget smoke --jobs 2 --results $(SMOKE)

mutate: $(STAMP)  ## count the faults, planted in dlvlib, that the tests find: COUNT=300 SEED=0
	$(BIN)/python tools/mutate.py --count $(or $(COUNT),300) --seed $(or $(SEED),0)

lowest:  ## test dlvlib on the oldest packages that it admits (needs uv)
	uv venv --quiet --clear --python 3.11 _build/lowest
	uv pip install --quiet --python _build/lowest --resolution lowest-direct \
		--torch-backend $(or $(TORCH),auto) --editable '.[test]'
	OMP_NUM_THREADS=1 _build/lowest/bin/python -m pytest -q -n 2 -m "not browser" tests/lib

train: $(STAMP)  ## run what is not recorded: ONLY=name BUDGET=full MINUTES=10 RESULTS=folder CIFAR=folder SHARE=1/2
	DLV_SHARE=$(SHARE) $(BIN)/python tools/train.py $(if $(ONLY),--only $(ONLY)) --budget $(or $(BUDGET),full) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(RESULTS),--results $(RESULTS)) \
		$(if $(CIFAR),--cifar $(CIFAR))

serve: book  ## build, then serve the book on this machine: PORT=8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

pdf: book  ## print the whole book to _build/dlv-course.pdf (needs Chromium)
	$(BIN)/python tools/pdf.py

zip: book  ## pack the site for a classroom without network: _build/dlv-course.zip
	$(BIN)/python tools/pack.py

slides: book  ## make a deck of slides for each chapter: open _build/slides/index.html
	$(BIN)/python tools/slides.py

dist: pdf zip  ## what a release holds, into _build/dist: packages, PDF, zip, notebooks
	rm -rf _build/dist
	$(BIN)/uv build --quiet --out-dir _build/dist
	cd _build && $(abspath $(BIN))/python -m zipfile -c dist/dlv-course-notebooks.zip notebooks
	cp _build/dlv-course.pdf _build/dlv-course.zip _build/dist

release: $(STAMP)  ## write version and date where they belong: VERSION=1.0.0
	@$(BIN)/python tools/release.py '$(VERSION)'

refresh: $(STAMP)  ## execute the light notebooks again and store their outputs
	$(BIN)/python tools/notebooks.py refresh

bench: $(STAMP)  ## measure training speed, side by side, and write benchmarks/results/: ROUNDS=5
	$(BIN)/python benchmarks/run_all.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(STEPS),--steps $(STEPS))

portable: $(STAMP)  ## execute the notebooks with older CPU instructions, and compare by nbval
	env -u IPYTHONDIR ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=2 \
		$(BIN)/python -m pytest -q -n 2 -p no:randomly --nbval --nbval-current-env \
		--nbval-cell-timeout=300 --nbval-sanitize-with tests/nbval.cfg --dist loadfile $(LIGHT)

colab: book  ## run every portable notebook as on Colab: dlvlib fetched, torch kept
	$(BIN)/python tools/colab.py

without: $(STAMP)  ## make and test a shorter course in _build/without: CH="11 12"
	$(BIN)/python tools/without.py $(CH)
	PYTHONPATH=$(CURDIR)/_build/without $(MAKE) -C _build/without test \
		VENV=$(abspath $(or $(VENV),.venv))

set-repository: $(STAMP)  ## set the address of the repository: URL=https://github.com/owner/name
	@$(BIN)/python tools/set_repository.py '$(URL)'

lock: $(STAMP)  ## write constraints.txt for every Python and system: UPGRADE=1 takes newer versions
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-python-downloads \
		--universal --fork-strategy fewest --python-version 3.11.0 $(if $(UPGRADE),--upgrade) \
		--extra book --extra test --output-file constraints.txt pyproject.toml
	grep -vE '^(nvidia|cuda|triton)' constraints.txt > constraints.tmp
	mv constraints.tmp constraints.txt

clean:  ## remove what can be made again, .venv included
	rm -rf _build .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt tools/install.py \
		$(if $(TORCH),$(if $(filter $(TORCH),$(shell cat .venv/torch-choice 2>/dev/null)),,FORCE))
	@$(PYTHON) tools/install.py $(TORCH)
