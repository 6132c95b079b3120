"""What readers know that the pages do not: how a placeholder is filled in, what an answer says."""

from __future__ import annotations

from typing import NamedTuple

# Lines that are not typed here as they stand, by how they begin: why not, and the test that does
# what they say.
ELSEWHERE = {
    "pip install .": ("is this environment's own business", "test_package.py"),
    "make run": ("opens JupyterLab, and stays", "cli/test_demo.py"),
    "export JUPYTER_BRIDGE_URL": ("an example of an address", "client/test_discovery.py"),
    ".venv/bin/python -m tests.simulators.openbis": ("stays", "cli/test_openbis.py"),
    "jupyter bridge conn add bis": ("asks for a password", "cli/test_openbis.py"),
    "jupyter bridge conn browse bis": ("needs that openBIS", "cli/test_openbis.py"),
    "jupyter bridge dataset get bis": ("needs that openBIS", "cli/test_openbis.py"),
    "jupyter bridge conn mount bis": ("asks about a key", "cli/test_openbis.py"),
    "jupyter bridge conn add lab https://openbis": ("asks for a password", "cli/test_openbis.py"),
    "jupyter bridge conn mount lab": ("needs an openBIS with SFTP", "cli/test_openbis.py"),
    "jupyter bridge conn add lab https://lab": ("asks for the token", "cli/test_remotes.py"),
    "jupyter bridge conn add  ": ("asks for everything", "cli/commands/test_conn.py"),
    "jupyter bridge attach": ("needs a person at a terminal", "cli/commands/test_attach.py"),
    "jupyter bridge console ": ("needs a person at a prompt", "cli/commands/test_repl.py"),
    "jupyter server --gateway-url": ("needs a gateway", "kernels/test_gateway.py"),
    "cd labextension": ("the commands below it are in there", "test_package.py"),
    "npm ci": ("a build of the panel begins with it", "test_package.py"),
    "npm run build": ("is the build of the panel", "test_package.py"),
    "npx jest": ("`make check` runs it, before this suite", "../Makefile"),
    "npm run check": ("`make check` runs it, before this suite", "../Makefile"),
}


class Answer(NamedTuple):
    """What a line says, as a regular expression (of lines), and its exit status."""

    says: str
    status: int = 0


# With timeout's own status ends what is stopped.
STOPPED = 124
# By a part of the line. What is not here succeeds, and says no Problem.
ANSWERS = {
    "jupyter server extension list": Answer(r"jupyter_bridge.*OK"),
    "ls /nowhere": Answer(r'"exit_code":2\b'),
    "cd /tmp && make": Answer("^made$"),
    "'echo $STUDY in $PWD'": Answer("^7 in /tmp$"),
    "'cd /tmp && echo hello'": Answer("^hello$"),
    "-- 'pwd; false'": Answer("^/tmp$", 1),
    "-c 'print(6 * 7)'": Answer("^42$"),
    "file:logs/app.log": Answer("^file:logs/app.log: started$", STOPPED),
    "-H 'Prefer: respond-async'": Answer("^Location: "),
    "executions/": Answer("'42'|\"42\""),
    '"while True: pass"': Answer('"status":"timeout"'),
    '"inputs": ["yes"]': Answer("'yes'"),
    "--until 'tests passed'": Answer("tests passed$"),
    "echo 'make test' | websocat": Answer("tests passed$"),
    "'ml fsl && bet T1 brain'": Answer("^no skull$"),
    '"ml fsl && bet T1 brain"': Answer(r'"exit_code":0,.*"output":"no skull\\n"'),
    'conns -d \'{"name": "data"': Answer('"data"'),
    "spawn/python3?conn=lab": Answer('"conn":"lab"'),
    '"code": "1 + 1"': Answer('"2"'),
    # The prompt, then what tells the bridge that it is one, which no terminal shows.
    "asciinema play": Answer(r"[$#] (\x1b]133;[^\x07]*\x07)*$"),
    "search 'Traceback'": Answer("", 1),
    "search -c 1 -E": Answer("", 1),
    "search -c file:results.csv": Answer("^file:results.csv:4:1,2$"),
    "search?q=": Answer("^$"),
    "bridge history 1": Answer(""),
    "consoles/1/commands": Answer('"commands":'),
    "consoles new build": Answer("^build$"),
    "consoles rename 1 build2": Answer(""),
    "consoles end build2": Answer(""),
    "jupyter bridge consoles": Answer("(terminal|remote) +live"),
    "jupyter bridge kernels": Answer("python3"),
    "script.py": Answer("^script$"),
    "env save": Answer("work/"),
}
# What goes on until it is stopped, and so is: after so many seconds.
ENDLESS = {"follow=true": 2, "websocat -b ": 2, "websocat -B ": 2, "tail -f ": 4, "-n 100 -f ": 6}


def answer_to(line: str) -> Answer:
    """What is expected of a line."""
    known = [answer for part, answer in ANSWERS.items() if part in line]
    return known[0] if known else Answer("", STOPPED if seconds_of(line) else 0)


def seconds_of(line: str) -> int:
    """After how many seconds a line is stopped that would go on; 0 where it ends by itself."""
    return next((seconds for part, seconds in ENDLESS.items() if part in line), 0)


def why_not(line: str) -> tuple[str, str] | None:
    """Why a line is not typed here, and where what it says is done."""
    return next((why for part, why in ELSEWHERE.items() if line.startswith(part)), None)
