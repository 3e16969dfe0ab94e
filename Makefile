SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0

VENV := .venv
BIN := $(VENV)/bin
SAM_VENV := .venv-sam
# Tests wait for processes, locks and browsers half of their time: with two workers a core, no core is idle.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))
TEMPLATES := template.yaml monitoring.yaml function_alarms.yaml table_alarms.yaml

##@ Everyday

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.local ## the main job on this laptop: one full round and a summary (ONCE=1 ends after it)
	$(BIN)/crm-relay demo $(if $(ONCE),--once)

.PHONY: init
init: $(VENV)/.local ## ask what to connect, write .env, name the organization (ANSWERS=file answers)
	$(BIN)/crm-relay init $(if $(ANSWERS),--answers $(ANSWERS))

.PHONY: up
up: $(VENV)/.local ## the local stack for your own .env; keeps its data in .stack/ (STACK_PORT=8484)
	$(BIN)/crm-relay up $(if $(STACK_PORT),--port $(STACK_PORT)) $(if $(wildcard .env),--env-file .env)

.PHONY: reset
reset: $(VENV)/.local ## remove the local stack's data, after a question
	$(BIN)/crm-relay reset

##@ Proof

.PHONY: test
test: $(VENV)/.dev $(SAM_VENV)/.ready system-packages ## everything that CI proves (ONLY=word narrows)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(if $(ONLY),-k "$(ONLY)")

.PHONY: torture
torture: $(VENV)/.dev system-packages ## the long kill and load trials; writes build/torture.json
	TORTURE_REPORT=build/torture.json $(BIN)/python -m pytest -n auto --dist worksteal -m slow --timeout 3600

.PHONY: check
check: lint types imports template-lint test ## exactly what CI runs

.PHONY: lint
lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy shared/crm_relay functions cli local benchmarks tests

.PHONY: imports
imports: $(VENV)/.dev ## the floors of the house: which room may import which
	$(BIN)/lint-imports --no-cache

.PHONY: coverage
coverage: $(VENV)/.dev ## branch coverage of campaigns, mail, notifications, workflows and conditions by their own tests; fails below 85, 90 and 95 %
	$(BIN)/coverage run --source=shared/crm_relay/campaigns,shared/crm_relay/mail -m pytest -q \
	  tests/unit tests/integration tests/faults -m "not slow" \
	  -k "campaign or delivery or resend or unsubscribe or window or template or condition or variant or ab_test or mail"
	$(BIN)/coverage report --fail-under=85 --skip-covered
	$(BIN)/coverage run --branch --source=shared/crm_relay/notifications -m pytest -q -m "not slow" \
	  tests/unit/notifications tests/integration/notifications
	$(BIN)/coverage report --fail-under=90 --skip-covered
	$(BIN)/coverage report --fail-under=95 --include='shared/crm_relay/notifications/content/*'
	$(BIN)/coverage run --branch --source=shared/crm_relay/workflows -m pytest -q -m "not slow" \
	  tests/unit/workflows tests/integration/workflows
	$(BIN)/coverage report --fail-under=90 --include='shared/crm_relay/workflows/engine/*'
	$(BIN)/coverage run --branch --source=shared/crm_relay/rules -m pytest -q tests/unit/rules
	$(BIN)/coverage report --fail-under=95 --include='shared/crm_relay/rules/*conditions.py,shared/crm_relay/rules/operators.py'
	rm -f .coverage

.PHONY: bench
bench: $(VENV)/.dev $(SAM_VENV)/.ready ## counts and times; writes build/bench.json
	$(BIN)/python -m benchmarks

##@ Documentation

.PHONY: schema
schema: $(VENV)/.local ## write schema/: the schema that the migrations lead to, by room
	$(BIN)/python -m local.schema

.PHONY: docs
docs: $(VENV)/.local ## write docs/{functions,settings,cli}.md, the lists in the README and docs/api.md, and .env.example
	$(BIN)/python -m local.docs

.PHONY: pictures
pictures: $(VENV)/.dev system-packages ## take the pictures of the page in docs/ of a demo that is running
	$(BIN)/python -m tests.support.operations.pictures

##@ Deploy

.PHONY: build
build: $(VENV)/.dev $(SAM_VENV)/.ready ## sam build without a container, bytecode included
	$(BIN)/python -m local.build

.PHONY: template-lint
template-lint: $(SAM_VENV)/.ready ## sam validate --lint and cfn-lint with the serverless rules, over every template
	$(foreach file,$(TEMPLATES),$(SAM_VENV)/bin/sam validate --lint --region us-east-1 --template-file $(file) &&) true
	$(SAM_VENV)/bin/cfn-lint -a cfn_lint_serverless.rules -- $(TEMPLATES)

.PHONY: lock
lock: ## pin the newest versions again (needs uv)
	$(foreach in,requirements/uv requirements/dev requirements/sam layers/dependencies/requirements,\
	  uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 $(in).in -o $(in).txt &&) true
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 requirements/local.in -c requirements/dev.txt -o requirements/local.txt

.PHONY: clean
clean: ## remove everything that make made
	rm -rf $(VENV) $(SAM_VENV) .aws-sam .stack build

# --- set-up: each stamp file stands for one finished installation --------------------------------------------------

# The interpreter of the Lambda runtime where it is found, else any python3 from 3.11 on.
PYTHON = $(shell bash local/find_python.sh)

$(BIN)/uv: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

$(VENV)/.local: requirements/local.txt pyproject.toml | $(BIN)/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/local.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

# SAM pins versions of its own, so it lives by itself; `sam build` needs pip beside the interpreter.
$(SAM_VENV)/.ready: requirements/sam.txt | $(BIN)/uv
	$(PYTHON) -m venv $(SAM_VENV)
	VIRTUAL_ENV=$(SAM_VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/sam.txt
	touch $@

.PHONY: system-packages
system-packages:
	@bash local/system_packages.sh
