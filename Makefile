# Every target sets up what it needs. Start with: make run

PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help setup run test check fix openapi breaking fuzz lock bench

help: ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## Make .venv from requirements.lock

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hailong needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "Setting up .venv (a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "hailong.pth").write_text(str(pathlib.Path.cwd()))'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m app.cli "$$@"\n' > $(BIN)/hailong && chmod +x $(BIN)/hailong
	@touch $@

run: setup ## Start the service with the example data and print its figures
	@$(BIN)/python -m app.cli demo

test: check node_modules/ready ## Run every check and every test
	@$(BIN)/python -m pytest -q

check: setup ## Lint, format, types, direction of imports, dependencies
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy app hailong_conformance
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry .

fix: setup ## Format the code and mend what a tool can mend
	@$(BIN)/ruff check --fix . || true
	@$(BIN)/ruff format .

# What tries the contract: a linter of it, and makers of a TypeScript client.
node_modules/ready: package-lock.json package.json
	@npm --version >/dev/null || { echo "make test needs npm (Node.js 20 or newer): the contract is tried with its tools"; exit 1; }
	@echo "Setting up node_modules ..."
	@npm ci --silent --no-audit --no-fund --ignore-scripts || { echo "npm ci failed: the first make test needs the network"; exit 1; }
	@touch $@

openapi: setup ## Write openapi/openapi.json
	@$(BIN)/python -m app.cli openapi > openapi/openapi.json

breaking: setup ## Name what breaks clients since the last tag (SINCE=commit)
	@$(BIN)/python tests/contract/breaking.py $(SINCE)

fuzz: setup ## Try the contract with at least 20,000 requests (some minutes)
	@PYTHONPATH=tests $(BIN)/python -m contract.fuzz

lock: ## Resolve dependencies anew: requirements.lock (all), requirements-server.lock (image)
	@$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv
	@$(LOCK) --all-extras --group dev -o requirements.lock --upgrade >/dev/null
	@$(LOCK) -o requirements-server.lock --constraint requirements.lock >/dev/null

bench: setup ## Measure, print the table, write bench/results.md (25 to 35 minutes)
	@$(BIN)/python -m bench
