"""A kernel's environment: asked of real kernels, saved through real contents managers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.contents.filemanager import FileContentsManager as SyncContents

from jupyter_bridge.connections import environment
from jupyter_bridge.problems import BadRequest, NotFound, Problem, RemoteFailed, Timeout
from jupyter_bridge.problems import Unsupported as UnsupportedProblem

# A stranger's package: installed from a repository, with a password in its address.
_DIRECT = {
    "vcs": (
        '{"url": "https://me:hunter2@git.example.org/a.git",'
        ' "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}',
        "vcs @ git+https://git.example.org/a.git@c0ffee",
    ),
    "editable": (
        '{"url": "file:///src/my%20package", "dir_info": {"editable": true}}',
        "# editable==1.0 in editable mode\n-e /src/my package",
    ),
    "archive": (
        '{"url": "https://example.org/a.whl", "archive_info": {"hashes": {"sha256": "abcd"}}}',
        "archive @ https://example.org/a.whl#sha256=abcd",
    ),
}


def interpreter(*command: str, env: dict[str, str] | None = None) -> environment.RunCode:
    """Runs code in a fresh interpreter, as a kernel would in its own."""

    async def run(code: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, code, stdout=asyncio.subprocess.PIPE, env=env
        )
        output, _ = await process.communicate()
        return output.decode()

    return run


async def test_a_python_names_what_is_installed_and_its_version() -> None:
    """The texts are those of the interpreter that was asked."""
    told = await environment.ask(interpreter(sys.executable, "-c"), "python")
    lines = told.requirements_list.splitlines()
    pytest_version = pytest.__version__
    assert f"pytest=={pytest_version}" in lines
    assert told.runtime == f"python-{sys.version_info[0]}.{sys.version_info[1]}\n"
    assert told.requirements_list.endswith("\n")
    assert set(environment.files_of(told)) == {"requirements.txt", "runtime.txt"}


@pytest.mark.parametrize("kind", _DIRECT)
async def test_a_package_from_elsewhere_says_where_from(kind: str, tmp_path: Path) -> None:
    """Direct references are kept as pip writes them, and without a password."""
    origin, line = _DIRECT[kind]
    info = tmp_path / f"{kind}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {kind}\nVersion: 1.0\n")
    (info / "direct_url.json").write_text(origin)
    run = interpreter(sys.executable, "-c", env={"PYTHONPATH": str(tmp_path)})
    told = await environment.ask(run, "python")
    assert f"{line}\n" in told.requirements_list
    assert "hunter2" not in told.requirements_list


async def test_a_broken_package_does_not_spoil_the_rest(tmp_path: Path) -> None:
    """A folder without metadata is left out."""
    (tmp_path / "broken-1.0.dist-info").mkdir()
    run = interpreter(sys.executable, "-c", env={"PYTHONPATH": str(tmp_path)})
    told = await environment.ask(run, "python")
    assert "pytest==" in told.requirements_list
    assert "broken" not in told.requirements_list


async def test_the_first_package_of_a_name_wins(tmp_path: Path) -> None:
    """What shadows another on the path is what the kernel imports, and what is told."""
    info = tmp_path / "PyTest-0.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: PyTest\nVersion: 0.0.1\n")
    run = interpreter(sys.executable, "-c", env={"PYTHONPATH": str(tmp_path)})
    told = (await environment.ask(run, "python")).requirements_list
    assert "PyTest==0.0.1" in told
    assert f"pytest=={pytest.__version__}" not in told


async def test_an_r_names_what_is_installed_and_its_version() -> None:
    """R is asked in base R, and told as an install.R that fixes the versions."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed (Debian: r-base-core)")
    told = await environment.ask(interpreter("Rscript", "--vanilla", "-e"), "R")
    assert set(environment.files_of(told)) == {"install.R", "runtime.txt"}
    assert told.runtime.startswith("r-")
    installed = subprocess.run(
        ["Rscript", "--vanilla", "-e", 'cat(rownames(installed.packages(priority = "NA")))'],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    for name in installed.split():
        assert f'remotes::install_version("{name}", version = "' in told.requirements_list
    assert '"base"' not in told.requirements_list


@pytest.mark.parametrize(("kernel", "language"), [("python3", "python"), ("ir", "R")])
async def test_a_kernel_is_asked_and_left_as_it_was(
    kernel: str, language: str, tmp_path: Path
) -> None:
    """Real kernels: the texts come, and neither a name nor a number in the history is used up."""
    specs = KernelSpecManager(ensure_native_kernel=True)
    if kernel == "ir":
        folder = Path("/usr/lib/R/site-library/IRkernel/kernelspec")
        if not folder.exists():
            pytest.skip("R's kernel is not installed (Debian: r-cran-irkernel)")
        shutil.copytree(folder, tmp_path / "ir")
        specs.kernel_dirs.append(str(tmp_path))

    manager = AsyncKernelManager(kernel_name=kernel, kernel_spec_manager=specs)
    await manager.start_kernel()
    client = manager.client()
    try:
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        written: list[str] = []

        def hear(message: Any) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                written.append(message["content"]["text"])

        async def run(code: str) -> str:
            written.clear()
            await client.execute_interactive(
                code, store_history=False, output_hook=hear, timeout=60
            )
            return "".join(written)

        told = await environment.ask(run, language)
        assert len(told.requirements_list.splitlines()) > 3
        names = {"python": "print('found' in dir(), 'metadata' in dir())", "R": "cat(ls())"}
        assert (await run(names[language])).strip() in ("False False", "")
        reply = await client.execute_interactive("1", output_hook=hear, timeout=60)
        assert reply["content"]["execution_count"] == 1
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def test_a_language_without_a_probe_is_told() -> None:
    """A bash kernel has no packages to name."""
    with pytest.raises(UnsupportedProblem, match="bash"):
        await environment.ask(_says(""), "bash")


async def test_noise_around_the_answer_is_left_out() -> None:
    """What other threads print before or after does not get into the file."""

    async def run(code: str) -> str:
        clean = await interpreter(sys.executable, "-c")(code)
        return f"INFO noise\r\n{clean}more noise"

    told = await environment.ask(run, "python")
    assert "noise" not in told.requirements_list
    assert told.runtime.startswith("python-3.")


async def test_half_an_answer_is_no_answer() -> None:
    """An answer that was cut is refused, not saved."""
    with pytest.raises(RemoteFailed):
        await environment.ask(_says("python-3.11\npytest==1"), "python")


async def test_a_busy_kernel_is_not_waited_for_for_ever() -> None:
    """Within the deadline, or a Problem that says so."""

    async def never(code: str) -> str:
        await asyncio.Event().wait()
        return ""

    with pytest.raises(Timeout, match="busy"):
        await environment.ask(never, "python", timeout=0.01)


@pytest.mark.parametrize("manager", [AsyncFileContentsManager, SyncContents])
async def test_the_texts_stand_beside_the_notebook(
    manager: Callable[..., Any], tmp_path: Path
) -> None:
    """Any contents manager will do; what was there is replaced."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "requirements.txt").write_text("old and longer than the new one\n")
    contents = manager(root_dir=str(tmp_path))
    files = {"requirements.txt": "numpy==2\n", "runtime.txt": "python-3.12\n"}
    saved = await environment.save(contents, "work/a.ipynb", files)
    assert saved == ["work/requirements.txt", "work/runtime.txt"]
    assert (tmp_path / "work" / "requirements.txt").read_text() == "numpy==2\n"
    assert (tmp_path / "work" / "runtime.txt").read_text() == "python-3.12\n"
    assert (await environment.save(contents, "/a.ipynb", {"install.R": "x\n"})) == ["install.R"]


@pytest.mark.parametrize(
    ("notebook", "name"),
    [
        ("a.ipynb", "../requirements.txt"),
        ("a.ipynb", "/etc/cron.d/requirements.txt"),
        ("a.ipynb", "postBuild"),
        ("a.ipynb", ".bashrc"),
        ("a.ipynb", ""),
        ("../a.ipynb", "requirements.txt"),
        ("work/../../a.ipynb", "requirements.txt"),
        ("..\\a.ipynb", "requirements.txt"),
        ("work\0/a.ipynb", "requirements.txt"),
    ],
)
async def test_nothing_is_written_elsewhere(notebook: str, name: str, tmp_path: Path) -> None:
    """Other names and paths above the root are refused before anything is written."""
    root = tmp_path / "root"
    (root / "work").mkdir(parents=True)
    contents = AsyncFileContentsManager(root_dir=str(root))
    with pytest.raises(BadRequest):
        await environment.save(contents, notebook, {"runtime.txt": "x", name: "y"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The notebook's folder must be there."""
    contents = AsyncFileContentsManager(root_dir=str(tmp_path))
    with pytest.raises(NotFound, match="elsewhere"):
        await environment.save(contents, "elsewhere/a.ipynb", {"runtime.txt": "x"})


async def test_what_the_contents_manager_refuses_is_a_problem(tmp_path: Path) -> None:
    """A folder in the way, and a backend that fails, are told in a sentence."""
    (tmp_path / "runtime.txt").mkdir()
    contents = AsyncFileContentsManager(root_dir=str(tmp_path))
    with pytest.raises(Problem, match=r"runtime\.txt could not be saved"):
        await environment.save(contents, "a.ipynb", {"runtime.txt": "x"})


def _says(text: str) -> Callable[[str], Awaitable[str]]:
    async def run(code: str) -> str:
        return text

    return run
