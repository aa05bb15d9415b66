# One command each. Only Python 3.11 or newer is needed beforehand; the rest comes from the files here.
.DEFAULT_GOAL := help
.PHONY: chaos help up test bench fuzz audit lint format reset requirements contracts browser pgbouncer promtool prometheus trace dashboard alert pictures test-scaled test-long

# The first of these that is new enough; PYTHON= names another one.
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for name in $(PYTHONS); do $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo $$name && exit; done; echo python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
# More than cores: half of the time is waiting for servers, sockets and browsers.
PROCESSES ?= 4
SOURCES ?= simulated

export QUAYSIDE_DEMO := 1
export SOURCES
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What settings need to be read at all; nothing connects to these.
OFFLINE := SECRET_KEY=not-a-secret-since-nothing-is-signed-by-what-only-reads-code DATABASE_URL=postgresql://127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0 DATABASE_POOL_SIZE=0
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

help:  ## List these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

up: $(INSTALLED)  ## Run everything, in the foreground. PORT=8000 moves the web port, SOURCES=live uses the real exchange
	@python -m demo.prepare
	@exec python manage.py up

test: $(INSTALLED)  ## Run every test, on servers of its own. ARGS= is passed to pytest, PROCESSES= sets how many run at once
	@python -m pytest --quiet --numprocesses $(PROCESSES) --dist loadgroup -m "not long" $(ARGS)

test-long: $(INSTALLED)  ## Run what takes minutes: scaled and abused servers, backups, traces, workers
	@python -m pytest --quiet --numprocesses 2 --dist loadgroup -m long $(ARGS)

test-scaled: $(INSTALLED)  ## Run every test through PgBouncer and with a streaming replica
	@QUAYSIDE_TEST_SERVERS=scaled $(MAKE) --no-print-directory test ARGS="--reuse-db $(ARGS)"

chaos: $(INSTALLED)  ## Kill, freeze, cut and fill everything under load; print one table. ARGS= are options
	@python -m tests.chaos $(ARGS)

trace: $(INSTALLED)  ## Show one click as a trace: browser, web process, queue, worker, rows (needs Chromium: make browser)
	@python -m demo.shows.trace

dashboard: $(INSTALLED)  ## Draw a page of Grafana's from a desk with visitors (needs make prometheus). PAGE=web, SECONDS=60
	@python -m demo.shows.dashboard --page $(or $(PAGE),web) --seconds $(or $(SECONDS),60) $(ARGS)

alert: $(INSTALLED)  ## Freeze the exchange until an alert fires, thaw it until it is resolved (needs make prometheus)
	@python -m demo.shows.alert

pictures: $(INSTALLED)  ## Take the screenshots of docs/pictures anew
	@python -m demo.shows.pictures

bench: $(INSTALLED)  ## Measure; print medians, percentiles and ratios
	@python -m benchmarks $(ARGS)

fuzz: $(INSTALLED)  ## Ask the API what nobody thought of, with another seed each time. FUZZ_CASES=50 a question, FUZZ_SEED= repeats a run
	@FUZZ_CASES=$(or $(FUZZ_CASES),50) FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) \
		python -m pytest --quiet tests/test_fuzz_api.py $(ARGS)

audit: $(INSTALLED)  ## Look for published weaknesses of the requirements (needs PyPI's JSON interface)
	@uv tool run pip-audit --disable-pip --require-hashes --requirement requirements.txt
	@uv tool run pip-audit --disable-pip --require-hashes --requirement requirements-dev.txt

lint: $(INSTALLED)  ## Check format, rules, types, layers, migrations, requirements, secrets and the API's description
	ruff format --check --quiet .
	ruff check --quiet .
	python .ci/check_requirements.py
	python .ci/check_secrets.py
	lint-imports
	$(OFFLINE) mypy .
	$(OFFLINE) python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(OFFLINE) python manage.py spectacular --validate --fail-on-warn --file /dev/null

format: $(INSTALLED)  ## Rewrite the code in its one format
	@ruff check --fix --quiet .
	@ruff format --quiet .

reset: $(INSTALLED)  ## Remove every datum of `make up`
	@python -m demo.reset

contracts: $(INSTALLED)  ## Compile the Solidity contracts, of the product and of its tests (needs Node.js)
	@npm ci --prefix demo/chain --ignore-scripts --no-audit --no-fund --loglevel=error
	@node demo/chain/compile.mjs

requirements: $(INSTALLED)  ## Compile requirements*.in into pinned and hashed requirements*.txt
	@$(COMPILE) requirements.in --output-file requirements.txt
	@$(COMPILE) requirements-dev.in --output-file requirements-dev.txt

pgbouncer:  ## Install the PgBouncer that tests of scaling start (Debian or Ubuntu, as root)
	apt-get update -qq && apt-get install -qq -y --no-install-recommends pgbouncer

browser:  ## Install the Chromium that browser tests drive (Debian or Ubuntu, as root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell || \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium

promtool: $(INSTALLED)  ## Fetch promtool, with which tests read alert rules (Debian or Ubuntu, as root)
	@$(call from_debian,prometheus,promtool)

prometheus: $(INSTALLED)  ## Fetch Prometheus, which the shows start (Debian or Ubuntu, as root)
	@$(call from_debian,prometheus,prometheus)

# One program of a package, beside Python's; nothing is installed.
define from_debian
	apt-get update -qq; rm -f .venv/$(1)_*.deb; (cd .venv && apt-get download -qq $(1)) && \
	dpkg-deb --fsys-tarfile .venv/$(1)_*.deb | tar -x --to-stdout ./usr/bin/$(2) > $(BIN)/$(2) && \
	chmod +x $(BIN)/$(2) && rm .venv/$(1)_*.deb
endef

# Made again whenever a requirement changes.
$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Quayside needs Python 3.11 or newer; $(PYTHON) is not. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		rm -rf .venv; echo "Making .venv failed; on Debian and Ubuntu install python3-venv." >&2; exit 1; }
	@echo "Installing what requirements.txt and requirements-dev.txt name ..."
	@# uv installs ten times faster than pip; pip, which every Python has, brings it and stands in for it.
	@test -x $(BIN)/uv || { sed -n '/^uv==/,/^[a-z]/{/^uv==/p;/^ /p}' requirements-dev.txt > .venv/uv.txt && \
		python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt; }
	@VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes -r requirements.txt -r requirements-dev.txt || \
		python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@
