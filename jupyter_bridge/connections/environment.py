"""A kernel's environment as two texts: the installed packages, and the language's version.

They come from the kernel itself, as the server has another Python: in Python through
`importlib.metadata`, in R through `installed.packages()`. They are the files that Binder's
repo2docker reads: `requirements.txt` and `runtime.txt` for Python, `install.R` and `runtime.txt`
for R. The host's contents manager saves them beside the notebook, under no other names.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.models.environments import (
    REQUIREMENTS,
    RUNTIME,
    EnvironmentModel,
    RequirementsBody,
)
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
    Unsupported,
)

# The files that may be written; the host runs none of them.
ALLOWED_NAMES = frozenset({REQUIREMENTS, RUNTIME, "environment.yml", "install.R"})
# A Python with 3,000 packages answers in 2 s. Seconds.
ASK_TIMEOUT = 60.0

RunCode = Callable[[str], Awaitable[str]]
"""Runs code on one kernel and returns its stdout; raises a Problem.

With `store_history` false, but not `silent`: R's kernel hides the output of silent code.
"""

# Runs in a namespace of its own, so that the notebook's variables do not change.
_PYTHON = """exec('''
import importlib.metadata as metadata, json, re, sys
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

def bare(url):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

def line(dist, name):
    origin = json.loads(dist.read_text("direct_url.json") or "{{}}")
    if not origin.get("url"):
        return name + "==" + dist.version
    url = bare(origin["url"])
    vcs = origin.get("vcs_info")
    if vcs:
        return name + " @ " + vcs["vcs"] + "+" + url + "@" + vcs["commit_id"]
    if origin.get("dir_info", {{}}).get("editable"):
        return "# " + name + "==" + dist.version + " in editable mode" + chr(10) + (
            "-e " + url2pathname(urlsplit(url).path))
    digest = origin.get("archive_info", {{}}).get("hashes", {{}}).get("sha256")
    return name + " @ " + url + ("#sha256=" + digest if digest else "")

found = {{}}
for dist in metadata.distributions():
    try:
        name = dist.metadata["Name"]
        key = re.sub("[-_.]+", "-", name).lower()
        if key not in found:
            found[key] = line(dist, name)
    except Exception:
        pass  # a half-removed package has no name; pip leaves it out as well
print("{mark}")
print("python-%d.%d" % sys.version_info[:2])
for key in sorted(found):
    print(found[key])
print("{mark}")
''', {{}})
"""

_R = """local({{
  found <- installed.packages(fields = "Priority")
  found <- found[is.na(found[, "Priority"]) | found[, "Priority"] != "base", , drop = FALSE]
  found <- found[!duplicated(found[, "Package"]), , drop = FALSE]
  found <- found[order(tolower(found[, "Package"])), , drop = FALSE]
  lines <- if (nrow(found) == 0) character(0) else sprintf(
    "remotes::install_version(\\"%s\\", version = \\"%s\\", upgrade = \\"never\\")",
    found[, "Package"], found[, "Version"])
  runtime <- sprintf("r-%s.%s-%s", R.version$major, sub("[.].*", "", R.version$minor),
    format(Sys.Date()))
  cat("{mark}", runtime, lines, "{mark}", "", sep = "\\n")
}})
"""


_PROBES = {"python": (_PYTHON, REQUIREMENTS), "r": (_R, "install.R")}


async def ask(run: RunCode, language: str, *, timeout: float = ASK_TIMEOUT) -> EnvironmentModel:
    """Return the environment of the kernel that `run` uses.

    `language` is its kernelspec's. The kernel's variables, history and execution count do not
    change if `run` stores no history. Raises Unsupported for other languages than Python and R,
    Timeout if the kernel does not answer in time.
    """
    try:
        probe, filename = _PROBES[language.lower()]
    except KeyError:
        raise Unsupported(
            f"The environment of a {language} kernel cannot be read, only of Python and R.",
            language=language,
        ) from None
    mark = f"bridge-environment-{secrets.token_hex(8)}"
    try:
        text = await within(timeout, run(probe.format(mark=mark)))
    except asyncio.TimeoutError as error:
        raise Timeout(
            f"The kernel did not answer within {timeout:g} s; it may be busy. Try again later.",
            timeout=timeout,
        ) from error
    # Output of the kernel's other threads is outside the marks, or discarded with the answer.
    pieces = text.replace("\r\n", "\n").split(f"{mark}\n")
    if len(pieces) != 3:
        raise RemoteFailed("The kernel's answer is not complete.", language=language)
    runtime, _, requirements = pieces[1].partition("\n")
    return EnvironmentModel(
        language.lower(), requirements, runtime + "\n", filename, RUNTIME, saved=[]
    )


def files_of(texts: EnvironmentModel | RequirementsBody) -> dict[str, str]:
    """Return the two texts by the names of their files."""
    return {
        texts.requirements_filename: texts.requirements_list,
        texts.runtime_filename: texts.runtime,
    }


async def save(contents: Any, notebook_path: str, files: Mapping[str, str]) -> list[str]:
    """Save `files` (name to text) beside the notebook; return their contents paths.

    `contents` is the host's contents manager. Existing files are replaced. Raises BadRequest,
    before anything is written, if a name is not allowed or the path leaves the root.
    """
    for name in files:
        if name not in ALLOWED_NAMES:
            allowed = ", ".join(sorted(ALLOWED_NAMES))
            raise BadRequest(f"{name!r} may not be written; only {allowed} may.", name=name)
    folder = _folder(notebook_path)
    if not await _await(contents.dir_exists(folder)):
        raise NotFound(f"No folder named {folder!r} on this server.", path=folder)
    saved = []
    for name, text in files.items():
        path = f"{folder}/{name}" if folder else name
        model = {"type": "file", "format": "text", "content": text}
        try:
            await _await(contents.save(model, path))
        except Exception as error:
            raise _problem(error, path) from error
        saved.append(path)
    return saved


def _folder(notebook_path: str) -> str:
    parts = [part for part in notebook_path.split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in notebook_path or "\0" in notebook_path:
        raise BadRequest(
            "notebook_path: must be a path below the server's root, as the contents API names it.",
            field="notebook_path",
        )
    return "/".join(parts[:-1])


def _problem(error: Exception, path: str) -> Problem:
    """Translate a contents manager's HTTPError (a status and a sentence) to a Problem."""
    if isinstance(error, Problem):
        return error
    status = getattr(error, "status_code", 500)
    sentence = getattr(error, "log_message", None) or getattr(error, "reason", None) or str(error)
    kinds: dict[int, type[Problem]] = {403: Denied, 404: NotFound, 409: Conflict}
    kind = kinds.get(status, BadRequest if 400 <= status < 500 else Unavailable)
    return kind(f"{path} could not be saved: {sentence}", path=path)


async def _await(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
