"""One suite, run as its project runs it, with the bridge or without, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.upstream.prepared import CHECKOUT, HOME, PROGRAMS, folder_of

# The file that an installation puts into a config folder.
ENABLING = CHECKOUT / "jupyter-config" / "jupyter_bridge.json"
# The longest takes five minutes; a loaded machine gets five times that.
RUN_TIME = 1500.0
# What a server says when it has the bridge; in the log, where nothing is captured.
_LOADED = "jupyter_bridge | extension was successfully loaded."
_OPTIONS = (
    *("-p", "bridge_among_others", "-p", "no:cacheprovider", "-o", "log_cli=false"),
    # A test that hangs fails, and does not end the run.
    *("-o", "timeout_method=signal"),
    # Said of the suites' own requests by Tornado 6.6, which is younger than they are.
    *("-W", "ignore:The method, uri, and version arguments to HTTPServerRequest"),
    *("-W", "ignore:The start_line argument to HTTPServerRequest will be required"),
)


@dataclass(frozen=True)
class Suite:
    """A package's tests, or some of them; `launches` are those whose servers are processes."""

    name: str
    package: str
    arguments: tuple[str, ...] = ()
    launches: bool = False


@dataclass
class Run:
    """What came of each test, by its id: "passed", "failed" or "skipped"; and of the servers."""

    log: Path
    outcomes: dict[str, str] = field(default_factory=dict)
    # For each server, the test that started it; or a line of its log, where it was a process.
    with_bridge: list[str] = field(default_factory=list)
    without_bridge: list[str] = field(default_factory=list)

    def those(self, outcome: str) -> set[str]:
        return {test for test, came in self.outcomes.items() if came == outcome}

    def __str__(self) -> str:
        return ", ".join(f"{len(self.those(o))} {o}" for o in ("passed", "failed", "skipped"))


def run(suite: Suite, *, bridge: bool, alone: str | None = None) -> Run:
    """Run a suite, or one test of it alone; its output is kept in the log that the answer names."""
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
            pass  # what it did not come to is missing
        finally:
            _end(process)
    return _read(report, log, suite.launches)


def _configure(config: Path, bridge: bool) -> None:
    """A user's config folder."""
    extensions = config / "jupyter_server_config.d"
    extensions.mkdir(parents=True)
    if bridge:
        shutil.copy(ENABLING, extensions)
    if os.geteuid() == 0:  # what the suites do not expect
        allowed = {"ServerApp": {"allow_root": True}}
        (config / "jupyter_server_config.json").write_text(json.dumps(allowed))


def _environment(folder: Path, config: Path) -> dict[str, str]:
    """Nothing of this machine's Jupyter, and nothing of the pytest that asks."""
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
    """End the run with all that it left, in its own session."""
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
