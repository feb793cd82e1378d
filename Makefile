# Only Python 3.11, make and git are needed: the first target that wants it makes .venv, fetching uv by pip if need be.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin
# --inexact: PyTorch, which is installed beside it, stays.
SYNC = UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --inexact --quiet $(EXTRAS) --python $(PYTHON)
TORCH := $(shell sed -n '/^name = "torch"$$/{n;s/version = "\(.*\)"/\1/p;}' uv.lock)
# What builds, tests and checks need, but for PyTorch (the extra `train`), which only the latter do.
EXTRAS := --extra earthengine --extra descarteslabs --extra gcs --extra azure --extra hdf5
# Where `make up` has Prefect listen.
PORT ?= 4200
# What work pools of containers run, where that is not an image of this machine: REGISTRY/deepsentinel:VERSION.
IMAGE ?=
TRAIN_IMAGE ?=
# A file at a time, whose tests share what is set up once; more workers than cores, since many wait for a server. In the
# order of the folders: the files that take long are begun first.
SIDE_BY_SIDE ?= -n 4 --dist loadfile --no-loadscope-reorder
# Byte code is kept even where the environment says otherwise: tests start many processes, and to import a
# flow takes 7 s of CPU without, 3 s with it.
PYTEST := PYTHONDONTWRITEBYTECODE= $(RUN)/pytest --durations=25

.PHONY: help demo up down deploy test quick check format docs picture bench clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: .venv/ready ## Make an invented country and build a corpus of it, in ./demo
	$(RUN)/deepsentinel demo

up: .venv/ready ## Start Prefect here: server with UI, a worker, all deployments; PORT=4200
	$(RUN)/python -m infra.local.up up --port $(PORT)

down: ## End what `make up` has started
	$(RUN)/python -m infra.local.up down

deploy: .venv/ready ## Register work pools, limits and deployments at PREFECT_API_URL; IMAGE=, TRAIN_IMAGE=
	$(RUN)/python -m flows.deploying $(if $(IMAGE),--image $(IMAGE)) $(if $(TRAIN_IMAGE),--train-image $(TRAIN_IMAGE))
	$(RUN)/prefect --no-prompt deploy --prefect-file deployments/prefect.yaml --all

test: .venv/torch ## Run all tests
	$(PYTEST) $(SIDE_BY_SIDE)

quick: .venv/torch ## Run the quick ones of the unit tests
	HYPOTHESIS_PROFILE=quick $(PYTEST) tests/unit -m "not slow" -n 2 --dist loadfile

check: .venv/torch ## Run ruff and pyright
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright --project pyproject.toml

docs: .venv/ready ## Write the references of specs and of label classes
	$(RUN)/python -m infra.docs.spec_reference
	$(RUN)/python -m infra.docs.label_classes

picture: .venv/ready ## Draw the README's picture from the corpus that `make demo` built
	$(RUN)/python -m infra.docs.demo_picture

format: .venv/ready ## Format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: .venv/torch ## Run the benchmarks; they print, they assert nothing about time
	$(PYTEST) tests/benchmarks -s -o timeout=0

clean: ## Remove what the targets made
	rm -rf .venv .uv demo

.venv/ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 ...")'
	@test -x "$(UV)" || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv; }
	$(SYNC)
	@touch $@

.venv/compiled: .venv/ready
	$(SYNC) --compile-bytecode
	@touch $@

# The locked version, by pip: it takes a build for the CPU (200 MB) where its indices have one, as in PIP_EXTRA_INDEX_URL,
# or that is there already; uv would take what the lock names, which on Linux is the one with CUDA (3 GB).
.venv/torch: .venv/compiled
	@test -x .uv/bin/pip || $(PYTHON) -m venv .uv
	$(RUN)/python -c 'import torch; assert torch.__version__.split("+")[0] == "$(TORCH)"' 2>/dev/null \
	  || .uv/bin/pip --python $(RUN)/python install --quiet --disable-pip-version-check torch==$(TORCH)
	@touch $@
