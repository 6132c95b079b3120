# make run    JupyterLab with the bridge, on a free loopback port, and lines to paste (RUN="options")
# make test   everything needed, then the whole suite
# make soak   the tests that take minutes each
# make check  format, lint, types, layers
# make bench  the figures of docs/performance.md, measured here and now

PYTHON ?= python3
BIN := .venv/bin
.PHONY: run test soak check bench clean

run: .venv/run
	@$(BIN)/python -m jupyter_bridge.cli.demo $(RUN)

test: .venv/test
	$(BIN)/python -m pytest

soak: .venv/test
	$(BIN)/python -m pytest -m soak

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

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
