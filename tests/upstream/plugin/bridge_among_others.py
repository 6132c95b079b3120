"""A plugin for another project's pytest (`-p`): adds the bridge to its servers, and reports.

`--bridge-config` is a configuration file that is put into the user's config folder and into those
of pytest-jupyter; it enables the extension or not. `--bridge-report` is a file that gets a line of
JSON for each test and each server at once, so that a run that dies has reported all tests before.

This file is in an import path of its own, because the other project has a package `tests`, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

EXTENSION = "jupyter_bridge"
# The outcome of a test is the worst outcome of its three phases.
_WORSE = ["passed", "skipped", "failed"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bridge-config", type=Path, required=True)
    parser.addoption("--bridge-report", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(
        Told(config.getoption("--bridge-report"), config.getoption("--bridge-config"))
    )


class Told:
    """Installs the configuration, and records the tests and the servers."""

    def __init__(self, report: Path, config: Path) -> None:
        self._report, self._config = report, config
        self._outcomes: dict[str, str] = {}

    def _write(self, **news: str | bool) -> None:
        with self._report.open("a") as file:
            file.write(json.dumps(news) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Fill the user's config folder when it is created."""
        made = yield
        if fixturedef.argname == "jp_config_dir":
            shutil.copytree(self._config, made, dirs_exist_ok=True)
        return made

    def pytest_sessionstart(self) -> None:
        """Observe every server that starts in this process."""
        # Not at the top: the suites set variables before they import anything of Jupyter.
        from jupyter_server.serverapp import ServerApp

        start_app, plugin = ServerApp.start_app, self

        def start(server: Any) -> None:
            start_app(server)
            # One test's server has no extension manager.
            manager = getattr(server, "extension_manager", None)
            apps = manager.extension_apps.get(EXTENSION, ()) if manager else ()
            routed = [app for app in apps if getattr(app, "routes", None)]
            plugin._write(server=os.environ["PYTEST_CURRENT_TEST"], bridge=bool(routed))
            for app in routed:
                plugin._start(app, server)

        setattr(ServerApp, "start_app", start)  # noqa: B010  (an assignment has no such type)

    def _start(self, app: Any, server: Any) -> None:
        """Also start the extensions' async parts, which pytest-jupyter leaves out."""
        loop: asyncio.AbstractEventLoop = server.io_loop.asyncio_loop
        starting = app._start_jupyter_server_extension(server)
        if loop.is_running():
            server.bridge_starting = loop.create_task(starting)
        else:
            loop.run_until_complete(starting)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = max(self._outcomes.get(report.nodeid, "passed"), report.outcome, key=_WORSE.index)
        self._outcomes[report.nodeid] = outcome
        if report.when == "teardown":
            self._write(test=report.nodeid, outcome=outcome)
