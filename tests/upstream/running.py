"""Runs one suite as its project does, with or without the bridge, and collects the outcomes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.upstream.prepared import CHECKOUT, HOME, PROGRAMS, folder_of

# The file with which an installation enables the bridge.
ENABLING = CHECKOUT / "jupyter-config" / "jupyter_bridge.json"
# The longest suite takes five minutes; a loaded machine gets five times that. Seconds.
RUN_TIME = 1500.0
# What a server with the bridge logs; found in logs that pytest does not capture.
_LOADED = "jupyter_bridge | extension was successfully loaded."
_OPTIONS = (
    *("-p", "bridge_among_others", "-p", "no:cacheprovider", "-o", "log_cli=false"),
    # A test that hangs fails alone.
    *("-o", "timeout_method=signal"),
    # Warnings of Tornado 6.6, which is newer than the suites, about their requests.
    *("-W", "ignore:The method, uri, and version arguments to HTTPServerRequest"),
    *("-W", "ignore:The start_line argument to HTTPServerRequest will be required"),
)


@dataclass(frozen=True)
class Suite:
    """A package's tests, or some of them; `launches` are the tests that start processes."""

    name: str
    package: str
    arguments: tuple[str, ...] = ()
    launches: bool = False


@dataclass
class Run:
    """The outcome of each test, by its id: "passed", "failed" or "skipped"; and the servers."""

    log: Path
    outcomes: dict[str, str] = field(default_factory=dict)
    # For each server, the test that started it; for a process, a line of its log.
    with_bridge: list[str] = field(default_factory=list)
    without_bridge: list[str] = field(default_factory=list)

    def those(self, outcome: str) -> set[str]:
        return {test for test, came in self.outcomes.items() if came == outcome}

    def __str__(self) -> str:
        return ", ".join(f"{len(self.those(o))} {o}" for o in ("passed", "failed", "skipped"))


def run(suite: Suite, *, bridge: bool, alone: str | None = None) -> Run:
    """Run a suite, or one test alone; the result names the file with its output."""
    way = "with" if bridge else "without"
    folder = HOME / "runs" / f"{suite.name}-{'alone-' if alone else ''}{way}"
    shutil.rmtree(folder, ignore_errors=True)
    report, log, config = folder / "report.jsonl", folder / "log", folder / "config"
    _configure(config, bridge)
    report.touch()
    command: list[str | Path] = [
        *(PROGRAMS / "python", "-m", "pytest", *_OPTIONS),
        *("--color=no", f"--bridge-report={report}"),
        f"--bridge-config={config}",
        *(["--capture=no"] if suite.launches else []),
        *(argument for argument in suite.arguments if alone is None or argument[:2] == "--"),
        *([alone] if alone else []),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder_of(suite.package),
            env=_environment(folder, config),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            process.wait(RUN_TIME)
        except subprocess.TimeoutExpired:
            pass  # tests that did not run are missing
        finally:
            _end(process)
    return _read(report, log, suite.launches)


def _configure(config: Path, bridge: bool) -> None:
    """Create a user's config folder."""
    extensions = config / "jupyter_server_config.d"
    extensions.mkdir(parents=True)
    if bridge:
        shutil.copy(ENABLING, extensions)
    if os.geteuid() == 0:  # settings that the suites do not expect
        allowed = {"ServerApp": {"allow_root": True}}
        (config / "jupyter_server_config.json").write_text(json.dumps(allowed))


def _environment(folder: Path, config: Path) -> dict[str, str]:
    """Return the environment, without this machine's Jupyter and the calling pytest."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "PYTEST", "PYTHON"))
    }
    return {
        **ours,
        "HOME": str(folder),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parent / "plugin"),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_PLATFORM_DIRS": "1",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the run with all its processes, which are in one session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _read(report: Path, log: Path, launches: bool) -> Run:
    done = Run(log)
    for line in report.read_text().splitlines():
        news = json.loads(line)
        if "test" in news:
            done.outcomes[news["test"]] = news["outcome"]
        else:
            (done.with_bridge if news["bridge"] else done.without_bridge).append(news["server"])
    if launches:
        said = log.read_text(errors="replace").splitlines()
        done.with_bridge += [line for line in said if _LOADED in line]
    return done
