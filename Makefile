# `make` lists the targets. Two environments: .venv-cpu (or .venv-gpu) serves and holds no torch; .venv-dev trains, exports and tests.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
RUNTIME ?= cpu
SERVE := .venv-$(RUNTIME)/bin/python
DEV := .venv-dev/bin/python
TESTS ?= tests

DATA ?= ../shared/data/kermany224
ARCH ?= all
RUN ?= runs/latest
TRAIN_OPTIONS ?=
NAME ?= chest-xray-pneumonia
VERSION ?= 1.0.0

.PHONY: help run test pacs-test check format train export bench resilience reference docs lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv-$(RUNTIME)/ready  ## serve the bundle in models/ on http://127.0.0.1:8000 (RUNTIME=gpu for CUDA)
	@exec $(SERVE) -m service

test: .venv-dev/ready  ## run all tests with coverage (TESTS=path for some; CXR_DATA_DIR for those on real films)
	rm -f .coverage .coverage.*
	$(DEV) -m pytest $(TESTS) --cov --cov-report=
	$(DEV) -m coverage report

pacs-test: .venv-dev/ready  ## send films through Debian's Orthanc to the service and back, with an outage of a minute
	PACS_OUTAGE_S=$${PACS_OUTAGE_S:-60} $(DEV) -m pytest tests/pacs

check: .venv-dev/ready  ## format, lint, types, import arrows
	$(DEV) -m ruff format --check .
	$(DEV) -m ruff check .
	$(DEV) -m mypy
	.venv-dev/bin/lint-imports --no-logo

format: .venv-dev/ready  ## format and mend what ruff can mend
	$(DEV) -m ruff format .
	$(DEV) -m ruff check --fix .

train: .venv-dev/ready  ## train on DATA: ARCH=NAME|all RUN=runs/ID TRAIN_OPTIONS='--epochs 10 …'
	$(DEV) -m trainer train --data $(DATA) --arch $(ARCH) --out $(RUN) $(TRAIN_OPTIONS)

export: .venv-dev/ready  ## write the winner of RUN to models/NAME/VERSION and make it current
	$(DEV) -m export bundle --run $(RUN) --name $(NAME) --version $(VERSION) --out models --make-current

resilience: .venv-dev/ready  ## load the real service beyond its capacity, swap bundles under load; prints a table
	$(DEV) -m benchmarks.resilience

bench: .venv-dev/ready  ## measure the service under load; prints the table of docs/benchmarks.md
	$(DEV) -m benchmarks.serving

reference: .venv-dev/ready  ## write docs/reference.md and the collection of requests from the code
	$(DEV) -m docs.make_reference > docs/reference.md
	$(DEV) -m docs.make_collection > docs/collections/cxr.postman_collection.json

docs: .venv-dev/ready  ## build the documentation site into site/
	$(DEV) -m mkdocs build --strict

lock: .venv-dev/ready  ## pin every dependency with its hashes again, after a change of pyproject.toml
	$(DEV) -m uv pip compile $(LOCK) --extra cpu -o requirements/cpu.txt
	$(DEV) -m uv pip compile $(LOCK) --extra gpu -o requirements/gpu.txt
	$(DEV) -m uv pip compile $(LOCK) --extra cpu --extra train --extra mlflow --extra dev -o requirements/dev.txt
	$(DEV) -m uv pip compile $(LOCK) --extra cpu --extra train -c requirements/dev.txt -o requirements/train.txt

LOCK := pyproject.toml --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28

clean:  ## remove the environments and everything that was made
	rm -rf .venv-* .*_cache .coverage .coverage.* .hypothesis

# An environment is its lock file, no more: --no-deps, because the lock is complete and names one build of OpenCV.
.venv-%/ready: requirements/%.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11, or say make PYTHON=…" >&2; exit 1; }
	@echo "Installing $$(grep -c == $<) packages into .venv-$* (once$(if $(filter dev,$*),; PyTorch is large: 2 to 10 minutes,))"
	@rm -rf .venv-$*
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r $< 2>.venv-$*/errors \
		| awk -v total=$$(grep -c == $<) '/^(Collecting|Processing)/ {printf "\r  %d of %d: %-60s", ++n, total, $$2; fflush()} \
			/^Installing/ {printf "\r  unpacking%-60s\n", " …"; fflush()}' \
		|| { cat .venv-$*/errors >&2; exit 1; }
	@touch $@
