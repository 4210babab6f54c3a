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
FULL ?=
REPORT ?=
RESILIENCE_OPTIONS ?=
TRAIN_OPTIONS ?=
NAME ?= chest-xray-pneumonia
VERSION ?= 1.0.0

.PHONY: help run test test-fast coverage pacs-test docker-test check format train export bench resilience corpora release-check reference docs lock sbom audit clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv-$(RUNTIME)/ready  ## serve the bundle in models/ on http://127.0.0.1:8000 (RUNTIME=gpu for CUDA)
	@$(if $(filter gpu,$(RUNTIME)),CXR_PROVIDER=$${CXR_PROVIDER:-cuda} )exec $(SERVE) -m service

# A file stays on one core, where its fixtures are; tests/tiers.py says which files begin.
PYTEST := $(DEV) -m pytest $(TESTS) -n auto --dist loadfile --no-loadscope-reorder

test: .venv-dev/ready corpora  ## run all tests, 12 min on two cores (TESTS=path for some; CXR_DATA_DIR for those on real films)
	$(PYTEST) $(if $(REPORT),--junitxml=$(REPORT))

test-fast: .venv-dev/ready  ## run the tests that need no process, browser, table or simulation, under 3 min (TESTS=path for some)
	$(PYTEST) --fast

coverage: .venv-dev/ready corpora  ## run all tests and list the lines and branches that none reaches
	rm -f .coverage .coverage.*
	$(PYTEST) --cov --cov-report=
	$(DEV) -m coverage report

pacs-test: .venv-dev/ready  ## send films through Debian's Orthanc to the service and back, with an outage of a minute
	PACS_OUTAGE_S=$${PACS_OUTAGE_S:-60} $(DEV) -m pytest tests/pacs

# Where no engine answers, one is started from Debian's packages if the tool for that lies beside the repository.
docker-test: .venv-dev/ready  ## build the images, start the stack, predict, train, swap, scale, stop (20 min the first time)
	@if ! docker info >/dev/null 2>&1 && [[ -x $(STANDIN) ]]; then \
		$(STANDIN); export DOCKER_HOST=unix:///var/run/cxr-docker.sock DOCKER_BUILDKIT=0; fi; \
	CXR_DOCKER_TEST=1 $(DEV) -m pytest tests/containers -v && docker image ls --format '{{.Repository}} {{.Size}}' | grep ^cxr-

STANDIN ?= ../shared/tools/docker-standin

check: .venv-dev/ready  ## format, lint, types, import arrows, Dockerfiles, compose file
	$(DEV) -m ruff format --check .
	$(DEV) -m ruff check .
	$(DEV) -m mypy
	.venv-dev/bin/lint-imports --no-logo
	.venv-dev/bin/hadolint Dockerfile.api Dockerfile.train deploy/debian/Dockerfile
	.venv-dev/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

format: .venv-dev/ready  ## format and mend what ruff can mend
	$(DEV) -m ruff format .
	$(DEV) -m ruff check --fix .

train: .venv-dev/ready  ## train on DATA: ARCH=NAME|all RUN=runs/ID TRAIN_OPTIONS='--epochs 10 …'
	$(DEV) -m trainer train --data $(DATA) --arch $(ARCH) --out $(RUN) $(TRAIN_OPTIONS)

export: .venv-dev/ready  ## write the winner of RUN to models/NAME/VERSION and make it current
	$(DEV) -m export bundle --run $(RUN) --name $(NAME) --version $(VERSION) --out models --make-current

resilience: .venv-dev/ready corpora  ## load, break and attack the real service; prints a table (FULL=1: the times that its limits are for, 45 min)
	$(DEV) -m benchmarks.resilience $(if $(FULL),--full) $(if $(REPORT),--report $(REPORT)) $(RESILIENCE_OPTIONS)

# pip alone knows where packages come from; what it fetches is unpacked only if its hash is the one that stands here.
corpora: .venv-dev/ready  ## fetch the images that Pillow's makers test with, a corpus of hostile files (47 MB, once)
	@[[ -d .corpora/pillow/Tests ]] || { mkdir -p .corpora/pillow && $(DEV) -m pip download --disable-pip-version-check \
		--quiet --retries 1 --timeout 30 --no-deps --no-binary pillow --require-hashes --dest .corpora -r tests/corpora.txt \
		&& tar -xzf .corpora/pillow-*.tar.gz --strip-components=1 -C .corpora/pillow && rm .corpora/*.tar.gz; } \
		|| echo "not fetched: Pillow's test images; the tests on them skip"

bench: .venv-dev/ready  ## measure the service under load; prints the table of docs/benchmarks.md
	$(DEV) -m benchmarks.serving

release-check: .venv-dev/ready  ## find the model card's figures again, through the service, on the films of DATA
	$(DEV) -m benchmarks.release_check --data $(DATA)

reference: .venv-dev/ready  ## write docs/reference.md from the code
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

# Neither tool is part of an environment here: each runs in one of its own, that uv makes and keeps.
TOOL := $(DEV) -m uv tool run --python $(PYTHON) --from
CYCLONEDX ?= cyclonedx-bom==7.5.0
PIP_AUDIT ?= pip-audit==2.10.1

sbom: .venv-dev/ready  ## write sbom.RUNTIME.json (CycloneDX) from the lock of the service, with every hash
	$(TOOL) $(CYCLONEDX) cyclonedx-py requirements requirements/$(RUNTIME).txt --pyproject pyproject.toml \
		--output-reproducible --of JSON -o sbom.$(RUNTIME).json

audit: .venv-dev/ready  ## ask the advisories about every locked package; needs a network, and fails where it cannot ask
	@for lock in requirements/*.txt; do echo "$$lock"; \
		$(TOOL) $(PIP_AUDIT) pip-audit --requirement $$lock --require-hashes --disable-pip --strict || failed=1; \
	done; exit $${failed:-0}

clean:  ## remove the environments and everything that was made
	rm -rf .venv-* .*_cache .coverage .coverage.* .hypothesis .corpora

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
