# make run    JupyterLab with the bridge, on a free loopback port, and lines to paste (RUN="options")
# make test   everything needed, then the whole suite
# make soak   the long ones: the same properties with 50 times the examples, a day's worth of use
# make check  format, lint, types, layers
# make audit  known holes in what is installed with it, asked of the registries
# make bench  the figures of docs/performance.md, measured here and now

PYTHON ?= python3
BIN := .venv/bin
.PHONY: run test soak check audit bench clean

run: .venv/run
	@$(BIN)/python -m jupyter_bridge.cli.demo $(RUN)

test: .venv/test
	$(BIN)/python -m pytest

# Where a property holds for whatever comes, more examples are the longer test.
SOAK ?= 50
soak: .venv/test
	$(BIN)/python -m pip install --quiet --editable '.[soak]'
	$(BIN)/python -m pytest -m soak --timeout=3600
	SOAK=$(SOAK) $(BIN)/python -m pytest --timeout=3600 tests/wire tests/consoles/test_journal.py \
		tests/relay/test_relay.py tests/relay/test_ring.py

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

# In an environment of its own, so that what it needs itself is not asked about.
audit: .venv/test
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > .venv/audit/requirements.txt
	.venv/audit/bin/pip-audit --disable-pip --no-deps --requirement .venv/audit/requirements.txt
	test ! -f labextension/package-lock.json || (cd labextension && npm audit --omit=dev)

bench: .venv/test
	$(BIN)/python -m tests.bench $(BENCH)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

# A stamp for each set of extras: installed again when pyproject.toml has changed. An editable install
# leaves out the configuration that enables the extension, so that is done by the command.
.venv/run: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[lab]'
	$(BIN)/jupyter server extension enable --sys-prefix jupyter_bridge
	@touch $@

.venv/test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test,check]'
	$(BIN)/python -m bash_kernel.install --sys-prefix
	@touch $@
