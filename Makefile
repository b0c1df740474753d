PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help env repro test same lint lock benchmark

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: $(READY) ## build .venv from requirements.lock (about 6.5 GB)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or 3.12; say which one is: make PYTHON=python3.11 …"; exit 1; }
	@echo "builds .venv: about 6.5 GB, which takes as long as your network does; nothing is said meanwhile"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

repro: $(READY) ## check params.yaml, run its pipeline, show its metrics
	@srscene check
	dvc repro
	dvc metrics show metrics/test.json metrics/constant.json
	@git diff --quiet HEAD -- dvc.lock metrics plots || echo "These results differ from the committed ones (other" \
	  "settings, or a CPU that rounds differently); to compare with yours from now on: git commit -am 'My baseline'"

test: $(READY) ## lint, type-check and run the whole test suite
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2 --dist loadfile --no-loadscope-reorder

same: $(READY) ## tell whether the code still computes the same bytes; where it does, accept its edits in dvc.lock
	python -m dev.same

lint: $(READY) ## format the code and mend what ruff can
	ruff format .
	ruff check --fix .

benchmark: $(READY) ## measure us and the peers (adds TorchGeo to .venv)
	uv pip install --quiet --constraint requirements.lock torchgeo lmdb
	python -m benchmarks

lock: $(READY) ## renew requirements.lock from pyproject.toml
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet -o requirements.lock
