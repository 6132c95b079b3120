"""Given to another project's pytest by `-p`: its servers have the bridge, and it is told of them.

`--bridge-config` is what a user has in the config folder, and so has whoever asks pytest-jupyter
for one: there the extension is enabled, or is not. `--bridge-report` is the file for what happened:
a line of JSON for each test and each server, as it comes, so that a run that dies has told what was
before.

This is the top of an import path of its own, since the other project has a package `tests`, too.
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
# What is said of a test is the worst of what is said of its three phases.
_WORSE = ["passed", "skipped", "failed"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bridge-config", type=Path, required=True)
    parser.addoption("--bridge-report", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(
        Told(config.getoption("--bridge-report"), config.getoption("--bridge-config"))
    )


class Told:
    """Puts the configuration where a server will look, and writes down what became of it."""

    def __init__(self, report: Path, config: Path) -> None:
        self._report, self._config = report, config
        self._outcomes: dict[str, str] = {}

    def _tell(self, **news: str | bool) -> None:
        with self._report.open("a") as file:
            file.write(json.dumps(news) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Whoever makes the user's config folder finds it filled."""
        made = yield
        if fixturedef.argname == "jp_config_dir":
            shutil.copytree(self._config, made, dirs_exist_ok=True)
        return made

    def pytest_sessionstart(self) -> None:
        """Look at every server that starts in this process."""
        # Not above: the suites set variables before they import anything of Jupyter.
        from jupyter_server.serverapp import ServerApp

        start_app, told = ServerApp.start_app, self

        def start(server: Any) -> None:
            start_app(server)
            manager = getattr(server, "extension_manager", None)  # one test has none
            apps = manager.extension_apps.get(EXTENSION, ()) if manager else ()
            routed = [app for app in apps if getattr(app, "routes", None)]
            told._tell(server=os.environ["PYTEST_CURRENT_TEST"], bridge=bool(routed))
            for app in routed:
                told._start(app, server)

        setattr(ServerApp, "start_app", start)  # noqa: B010  (an assignment has no such type)

    def _start(self, app: Any, server: Any) -> None:
        """Also what a server starts when its loop runs, which pytest-jupyter leaves out."""
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
            self._tell(test=report.nodeid, outcome=outcome)
