# `make` lists the targets. Two environments: .venv-cpu (or .venv-gpu) serves and holds no torch; .venv-dev trains, exports and tests.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Without PYTHON the newest Python from 3.11 to 3.14 makes the environments.
PYTHON ?=
RUNTIME ?= cpu
SERVE := .venv-$(RUNTIME)/bin/python
DEV := .venv-dev/bin/python
TESTS ?= tests

DATA ?=
ARCH ?= all
MODEL ?=
SPLIT ?=
MASKS ?=
RUN ?= runs/latest
FULL ?=
REPORT ?=
RERUNS ?=
RESILIENCE_OPTIONS ?=
BENCH_OPTIONS ?=
TRAIN_OPTIONS ?=
EXPORT_OPTIONS ?=
POPULATION ?=
AGES ?=
NAME ?= chest-xray-pneumonia
VERSION ?= 1.0.0

# A value as one word of the shell: names of folders hold blanks, parentheses and apostrophes.
quote = '$(subst ','\'',$1)'

.PHONY: help run test test-fast coverage pacs-test ihe-test scale-test docker-test wheelhouse check format train export bench check-perf resilience corpora release-check acceptance-demo reference docs lock sbom audit manifests pin-images release-dry-run clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The memory of large films in pages of 2 MB, as in the image and under systemd: docs/performance.md.
LARGE_PAGES := GLIBC_TUNABLES=$${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}

run: .venv-$(RUNTIME)/ready  ## serve the bundle in models/ on http://127.0.0.1:8000 (RUNTIME=gpu for CUDA)
	@$(if $(filter gpu,$(RUNTIME)),CXR_PROVIDER=$${CXR_PROVIDER:-cuda} )$(LARGE_PAGES) exec $(SERVE) -m service

# A file stays on one core, where its fixtures are; tests/tiers.py says which files begin.
# Compiled modules are kept, whatever the environment says: hundreds of processes import them.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(DEV) -m pytest $(TESTS) -n auto --dist loadfile --no-loadscope-reorder

test: .venv-dev/ready corpora  ## run the tests, about 15 min on two cores (FULL=1: those of minutes, too; TESTS=path; CXR_DATA_DIR: real films)
	$(if $(FULL),CXR_LONG_TESTS=1) $(PYTEST) $(if $(REPORT),--junitxml=$(call quote,$(REPORT))) $(if $(RERUNS),--reruns $(RERUNS) --rerun-show-tracebacks -raR)

test-fast: .venv-dev/ready  ## run the tests that need no process, browser, table or simulation, 3 to 6 min (TESTS=path for some)
	$(PYTEST) --fast

coverage: .venv-dev/ready corpora  ## run all tests and list the lines and branches that none reaches
	rm -f .coverage .coverage.*
	CXR_LONG_TESTS=1 $(PYTEST) --cov --cov-report=
	$(DEV) -m coverage report

pacs-test: .venv-dev/ready  ## send films through Debian's Orthanc and back, with an outage of a minute; follow the pages of operators (6 min)
	CXR_LONG_TESTS=1 PACS_OUTAGE_S=$${PACS_OUTAGE_S:-60} $(DEV) -m pytest tests/pacs tests/machine

ihe-test: .venv-dev/ready  ## run the tests of standards on loopback; prints and writes the table clause -> test -> verdict
	CXR_LONG_TESTS=1 $(PYTEST) --clauses --clauses-page docs/ihe-conformance.md

# Two at once: each starts several processes of its own, and measures them.
scale-test: .venv-dev/ready  ## run the tests past one machine: replicas, Kubernetes, backfills, stores; prints a table (20 min)
	CXR_SCALE_TESTS=1 $(subst -n auto,-n 2,$(PYTEST)) --scale

docker-test: .venv-dev/ready  ## build the images, start the stack, predict, train, swap, scale, stop; install without a network (20 min)
	CXR_LONG_TESTS=1 CXR_DOCKER_TEST=1 $(DEV) -m pytest tests/containers tests/machine/test_airgap.py -v && docker image ls --format '{{.Repository}} {{.Size}}' | grep ^cxr-

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

train: data-is-named .venv-dev/ready  ## train on DATA: ARCH=NAME|all RUN=runs/ID TRAIN_OPTIONS='--epochs 10 …'
	$(DEV) -m trainer train --data $(call quote,$(DATA)) --arch $(call quote,$(ARCH)) --out $(call quote,$(RUN)) \
		$(TRAIN_OPTIONS)

export: .venv-dev/ready  ## write the winner of RUN to models/NAME/VERSION and make it current (POPULATION, AGES: whom it is for)
	$(DEV) -m export bundle --run $(call quote,$(RUN)) --name $(call quote,$(NAME)) --version $(call quote,$(VERSION)) \
		--out models --make-current $(if $(POPULATION),--population $(call quote,$(POPULATION))) \
		$(if $(AGES),--ages $(call quote,$(AGES))) $(EXPORT_OPTIONS)

resilience: .venv-dev/ready corpora  ## load, break and attack the real service; prints a table (FULL=1: the times that its limits are for, 50 min)
	$(DEV) -m benchmarks.resilience $(if $(FULL),--full) $(if $(REPORT),--report $(call quote,$(REPORT))) $(RESILIENCE_OPTIONS)

# pip alone knows where packages come from; what it fetches is unpacked only if its hash is the one that stands here.
corpora: .venv-dev/ready  ## fetch the images that Pillow's makers test with, a corpus of hostile files (47 MB, once)
	@[[ -d .corpora/pillow/Tests ]] || { mkdir -p .corpora/pillow && $(DEV) -m pip download --disable-pip-version-check \
		--quiet --retries 1 --timeout 30 --no-deps --no-binary pillow --require-hashes --dest .corpora -r tests/corpora.txt \
		&& tar -xzf .corpora/pillow-*.tar.gz --strip-components=1 -C .corpora/pillow && rm .corpora/*.tar.gz; } \
		|| echo "not fetched: Pillow's test images; the tests on them skip"

bench: .venv-dev/ready  ## measure the service beside other servers and the bare pipeline, under 10 min; needs wrk (REPORT=file.md keeps it)
	$(DEV) -m benchmarks.peers $(if $(REPORT),--write $(call quote,$(REPORT))) $(BENCH_OPTIONS)

# Exit status 3 is no verdict: a busy machine says nothing about the service.
check-perf: .venv-dev/ready  ## fail where the service has become slow beside the bare pipeline, by their ratio in the same minutes; needs wrk
	$(DEV) -m benchmarks.peers.guard $(BENCH_OPTIONS) || [[ $$? == 3 ]]

release-check: data-is-named .venv-dev/ready  ## find the model card's figures again, through the service, on the films of DATA (MODEL, SPLIT, MASKS)
	$(DEV) -m benchmarks.release_check --data $(call quote,$(DATA)) $(if $(MODEL),--model $(call quote,$(MODEL))) \
		$(if $(SPLIT),--split $(call quote,$(SPLIT))) $(if $(MASKS),--lung-masks $(call quote,$(MASKS)))

acceptance-demo: .venv-dev/ready  ## a site that accepts the bundle, one that rejects it, a stream that stops itself (DATA, or CXR_DATA_DIR; 2 min)
	$(DEV) -m benchmarks.acceptance_demo $(if $(DATA),--data $(call quote,$(DATA)))

# First, so that the sentence comes before the installation.
.PHONY: data-is-named
data-is-named:
	@[[ -n $(call quote,$(DATA)) ]] || \
		{ echo "DATA names no films. Usage: make $(firstword $(MAKECMDGOALS)) DATA='path/to/films'" >&2; exit 2; }

reference: .venv-dev/ready  ## write docs/reference.md and docs/schemas/ from the code
	$(DEV) -m docs.make_reference > docs/reference.md
	$(DEV) -m docs.make_schemas
	$(DEV) -m docs.make_collection > docs/collections/cxr.postman_collection.json

docs: .venv-dev/ready  ## build the documentation site into site/
	$(DEV) -m mkdocs build --strict

lock: .venv-dev/ready  ## resolve every dependency again, for all platforms, after a change of pyproject.toml (LOCK_OPTIONS=--upgrade)
	$(LOCK) --extra cpu --extra train --extra mlflow --extra otel --extra stores --extra ray --extra dev -o requirements/dev.txt
	$(LOCK) --extra cpu --extra train --extra stores --extra ray -c requirements/dev.txt -o requirements/train.txt
	$(LOCK) --extra cpu --extra otel --extra stores -c requirements/dev.txt -o requirements/cpu.txt
	$(LOCK) --extra gpu --extra otel --extra stores -c requirements/cpu.txt -o requirements/gpu.txt
	$(DEV) -m benchmarks.peers.environments $(LOCK_OPTIONS)

# One resolution for Python 3.11 and newer on every platform; the others take their versions from dev.txt (docs/adr/0012).
LOCK_OPTIONS ?=
LOCK = $(DEV) -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(LOCK_OPTIONS)

# Neither tool is part of an environment here: each runs in one of its own, that uv makes and keeps.
TOOL := $(DEV) -m uv tool run --python $(DEV) --from
CYCLONEDX ?= cyclonedx-bom==7.5.0
PIP_AUDIT ?= pip-audit==2.10.1
HELM_SDK ?= helm-python-sdk==0.2.2

# For machines without a network: docs/airgap.md. The wheels are those of this Python, system and processor.
wheelhouse: .venv-$(RUNTIME)/ready  ## download every locked package of the service into wheelhouse/ (RUNTIME=gpu for CUDA)
	$(SERVE) -m pip download --disable-pip-version-check --quiet --no-deps --require-hashes --only-binary :all: \
		-r requirements/$(RUNTIME).txt --dest wheelhouse

sbom: .venv-dev/ready  ## write sbom.RUNTIME.json (CycloneDX) from the lock of the service, with every hash
	$(TOOL) $(CYCLONEDX) cyclonedx-py requirements requirements/$(RUNTIME).txt --pyproject pyproject.toml \
		--output-reproducible --of JSON -o sbom.$(RUNTIME).json
	$(DEV) -m deploy.release name-version sbom.$(RUNTIME).json

audit: .venv-dev/ready  ## ask the advisories about every locked package; needs a network, and fails where it cannot ask
	@for lock in requirements/*.txt; do echo "$$lock"; \
		$(TOOL) $(PIP_AUDIT) pip-audit --requirement $$lock --require-hashes --disable-pip --strict || failed=1; \
	done; exit $${failed:-0}

# Helm's engine as a Python package; it runs in an environment of its own, and needs nothing of this project.
manifests: .venv-dev/ready  ## render deploy/kubernetes/manifests/ from the chart, by Helm's own engine
	$(TOOL) $(HELM_SDK) python -m deploy.kubernetes

pin-images: .venv-dev/ready  ## write the digest of each base image and each image of the stack behind its tag; needs docker buildx
	$(DEV) -m deploy.release pin-images

TAG ?=
release-dry-run: .venv-dev/ready  ## check offline what a release needs, and print the steps that a tag starts (TAG=v…)
	$(DEV) -m deploy.release check $(if $(TAG),--tag $(call quote,$(TAG)))
	$(DEV) -m pytest --quiet tests/requirements/test_locks.py
	.venv-dev/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv-dev/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(DEV) -m deploy.release steps

clean:  ## remove the environments and everything that was made
	rm -rf .venv-* .*_cache .cache/peers .coverage .coverage.* .hypothesis .corpora

.venv-%/ready: requirements/%.txt
	@PYTHON=$(call quote,$(PYTHON)) requirements/install.sh $*
