# Needs Python 3.11 to 3.13 and make; all the rest is installed into .venv, in the versions and with the hashes of requirements/.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install serve explorer demo test test-fast lint migration lock sdl browser nginx wrk players corpus wheel bench clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.runtime ## make .venv with all that the service needs

serve: install ## start the service (docs/settings.md lists its settings)
	@$(MAKE) --no-print-directory --silent explorer 2>&1 | grep -v '^make' || true
	@exec $(BIN)/pet serve

explorer: $(VENV)/.explorer ## build the pages at /graphql and /docs (needs npm; `make serve` does it where it can)

demo: install ## fill the service with a few people and playable tracks, to look around
	@exec $(BIN)/pet demo

test: $(VENV)/.dev ## run every test (some need `make browser nginx players corpus`)
	$(BIN)/pytest

test-fast: $(VENV)/.dev ## run the tests that need neither a browser nor a server process
	$(BIN)/pytest -m "not slow and not browser"

lint: $(VENV)/.dev ## check style, types, imports, and that schema.graphql is up to date and breaks no client
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pet schema --check
	$(BIN)/python .ci/schema_changes.py

sdl: install ## write schema.graphql from the code
	@$(BIN)/pet schema > $(VENV)/schema.graphql
	@mv $(VENV)/schema.graphql schema.graphql

migration: install ## write the migration that the tables need now: make migration NAME=add_mood
	$(BIN)/tortoise makemigrations --name $(NAME)

lock: $(VENV)/.build ## renew requirements/ from pyproject.toml (UPGRADE=1 takes the newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group corpus -c requirements/dev.txt -o requirements/corpus.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group bench -c requirements/dev.txt -o requirements/bench.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group build -c requirements/dev.txt -o requirements/build.txt

wheel: explorer $(VENV)/.build ## build the wheel, with the explorer in it, into dist/
	@$(BIN)/python -m hatchling build -t wheel

browser: ## install Chromium for the browser tests, where it is missing
	@sh .ci/browser

nginx: ## install nginx for the tests of deliveries, where it is missing
	@sh .ci/nginx

wrk: ## install wrk for the benchmarks, where it is missing
	@sh .ci/wrk

players: ## install curl, wget, aria2 and ffmpeg for the tests of media with them, where they are missing
	@sh .ci/players

corpus: $(VENV)/.corpus ## fetch the sources of mutagen and Pillow, whose test files are sent as uploads

bench: $(VENV)/.peers nginx wrk ## compare PET with its peers, and write docs/performance.md (TOPIC=rest does one)
	@$(BIN)/python -m benchmarks.run $(TOPIC) --write

clean: ## remove .venv and every cache; pet-data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
	rm -rf web/node_modules src/pet/pages/explorer_files
	cd tests/clients && rm -rf node_modules build examples
	rm -rf benchmarks/peers/node/node_modules
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: a lock file that changed is installed again, one that did not costs nothing.

$(VENV)/.build: requirements/build.txt .ci/venv
	@sh .ci/venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.build requirements/runtime.txt pyproject.toml
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.corpus: requirements/corpus.txt | $(VENV)/.dev
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
		--dest $(VENV)/corpus --requirement requirements/corpus.txt
	@touch $@

$(VENV)/.explorer: $(wildcard web/*.* web/src/*.*) web/.npmrc .ci/explorer | $(VENV)/.build
	@sh .ci/explorer
	@touch $@

# Node.js, Go and FastAPI for the benchmarks, away from PET's own packages, and what Node.js needs.
$(VENV)/.peers: requirements/bench.txt $(wildcard benchmarks/peers/node/package*.json) .ci/peers | $(VENV)/.dev
	@rm -rf $(VENV)/peers
	@$(PIP) --require-hashes --target $(VENV)/peers -r requirements/bench.txt
	@sh .ci/peers $(VENV)/peers
	@touch $@
