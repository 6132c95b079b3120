"""What is shown of what happens, in a pipe and on a terminal."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.cli.call import Call
from jupyter_bridge.cli.render import Renderer
from jupyter_bridge.client import ClearOutput, Event, Gap, Output, Status, UpdateDisplay
from jupyter_bridge.private_files import is_private
from tests.support.strangers import IN_ITS_PLACE, put

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
Capture = pytest.CaptureFixture[str]


def stream(text: str, name: str = "stdout") -> Output:
    return Output("1", {"output_type": "stream", "name": name, "text": text})


def display(data: dict[str, Any], display_id: str | None = None) -> Output:
    transient = {"display_id": display_id} if display_id else {}
    return Output("1", {"output_type": "display_data", "data": data, "transient": transient})


def value(text: str, count: int = 7) -> Output:
    data = {"text/plain": text}
    return Output(
        "1",
        {"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {}},
    )


def update(data: dict[str, Any], display_id: str) -> UpdateDisplay:
    return UpdateDisplay("1", {"display_id": display_id, "data": data, "metadata": {}})


def show(*events: Event, screen: Renderer | None = None, images: Path | None = None) -> None:
    screen = screen or Renderer(Call(), images)
    for event in events:
        screen.show(event)
    screen.finish()


def png(content: bytes = PNG) -> dict[str, Any]:
    return {"image/png": base64.b64encode(content).decode(), "text/plain": "<Figure>"}


def test_streams(capsys: Capture) -> None:
    """Text goes where it was written to, byte for byte, progress bars and all."""
    show(stream("50 %\r"), stream("100 %\n"), stream("careful\n", "stderr"), Status("1", {}))
    assert capsys.readouterr() == ("50 %\r100 %\n", "careful\n")


def test_values(capsys: Capture) -> None:
    """A value is a line; Markdown, LaTeX and JSON without plain text are shown as they are."""
    show(
        value("42"),
        display({"text/html": "<b>x</b>", "text/plain": "x"}),
        display({"text/markdown": ["# a\n", "b"]}),
        display({"application/json": {"a": [1]}, "text/html": "?"}),
        display({"text/html": "<b>x</b>", "application/x-widget": {}}),
        display({}),
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["42", "x", "# a", "b", '{"a":[1]}', "[text/html, application/x-widget]"]


def test_label(capsys: Capture) -> None:
    """A value may have a label; one of several lines stands below it."""
    screen = Renderer(Call(), label=lambda count: f"Out[{count}]: ")
    show(value("1"), value("a\nb", 8), display({"text/plain": "x"}), screen=screen)
    assert capsys.readouterr().out == "Out[7]: 1\nOut[8]: \na\nb\nx\n"


def test_images(capsys: Capture, tmp_path: Path) -> None:
    """An image is a file whose path is shown; files that are there already are left alone."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "image-1.png").write_text("mine")
    svg = {"image/svg+xml": ["<svg>", "</svg>"], "text/plain": "<SVG>"}
    show(display(png()), display(svg), images=folder)
    shown = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert shown == [folder / "image-2.png", folder / "image-3.svg"]
    assert shown[0].read_bytes() == PNG
    assert shown[1].read_text() == "<svg></svg>"
    assert (folder / "image-1.png").read_text() == "mine"


def test_images_without_folder(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images go into a temporary folder for the user alone, made when the first one comes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    screen = Renderer(Call())
    assert list(tmp_path.iterdir()) == []
    show(display(png()), display(png()), screen=screen)
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert capsys.readouterr().out == f"{folder}/image-1.png\n{folder}/image-2.png\n"


@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_a_temporary_folder_that_others_made_gets_no_image(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was cleaned away is made again, in another place if others were faster."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    screen = Renderer(Call())
    show(display(png()), screen=screen)
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    show(display(png()), screen=screen)
    assert [path.name for path in folder.iterdir()] == ["image-2.png"]
    shutil.rmtree(folder)
    put(what, folder)
    before = set(tmp_path.iterdir())
    show(display(png()), screen=screen)
    (another,) = set(tmp_path.iterdir()) - before
    assert is_private(another)
    assert [path.name for path in another.iterdir()] == ["image-3.png"]


@pytest.mark.parametrize("what", [*IN_ITS_PLACE, "nothing"])
def test_an_image_is_updated_in_the_users_own_folder(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update follows nobody: where the folder is another one, the image gets a new file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    screen = Renderer(Call())
    show(display(png(), "i"), screen=screen)
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    if what != "nothing":
        put(what, folder, {"image-1.png": "somebody's"})
    show(update(png(b"\x89PNG2"), "i"), screen=screen)
    written = {path.name: path.read_bytes() for path in tmp_path.glob("*/image-*")}
    assert written.pop("image-2.png") == b"\x89PNG2"
    assert set(written.values()) <= {b"somebody's"}


def test_an_image_is_not_updated_through_a_link(tmp_path: Path) -> None:
    """In a folder that others may write in, too."""
    images = tmp_path / "images"
    (tmp_path / "own").write_text("mine")
    screen = Renderer(Call(), images)
    show(display(png(), "i"), screen=screen)
    (images / "image-1.png").unlink()
    (images / "image-1.png").symlink_to(tmp_path / "own")
    show(update(png(b"\x89PNG2"), "i"), screen=screen)
    assert (tmp_path / "own").read_text() == "mine"
    assert (images / "image-2.png").read_bytes() == b"\x89PNG2"


def test_broken_image(capsys: Capture, tmp_path: Path) -> None:
    """An image that is none is shown as its text."""
    show(display({"image/png": "???", "text/plain": "<Figure>"}), images=tmp_path)
    assert capsys.readouterr().out == "<Figure>\n"


def test_updates(capsys: Capture, tmp_path: Path) -> None:
    """A display that changes is shown again below; a changed image is in the same file."""
    show(
        display({"text/plain": "10 %"}, "d"),
        update({"text/plain": "10 %"}, "d"),
        update({"text/plain": "20 %"}, "d"),
        display(png(), "i"),
        update(png(b"\x89PNG2"), "i"),
        update({"text/plain": "from elsewhere"}, "unknown"),
        images=tmp_path,
    )
    file = tmp_path / "image-1.png"
    assert capsys.readouterr().out.splitlines() == ["10 %", "20 %", str(file), "from elsewhere"]
    assert file.read_bytes() == b"\x89PNG2"


def test_error(capsys: Capture) -> None:
    """A traceback goes to stderr, without colours in a pipe; without one the error is a line."""
    traceback = ["\x1b[0;31mZeroDivisionError\x1b[0m: by zero", "line 1"]
    show(Output("1", {"output_type": "error", "ename": "E", "evalue": "v", "traceback": traceback}))
    show(Output("1", {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}))
    assert capsys.readouterr() == ("", "ZeroDivisionError: by zero\nline 1\nE: v\n")


def test_gap(capsys: Capture) -> None:
    """Events that were lost are told."""
    show(Gap("5", {"lost": 3}))
    assert "3 events" in capsys.readouterr().err


def test_pipe_is_as_written(capsys: Capture) -> None:
    """A pipe gets what the code wrote and nothing to tidy it up."""
    show(stream("half"), ClearOutput("1", {"wait": False}), value("1"))
    assert capsys.readouterr().out == "half1\n"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a value begins on a new line, and a cleared line is empty."""
    out = Tty()
    monkeypatch.setattr("sys.stdout", out)
    show(stream("half"), value("1"), stream("50 %"), ClearOutput("1", {}), stream("done"))
    assert out.getvalue() == "half\n1\n50 %\x1b[2K\rdone\n"


def test_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a traceback has its colours, unless NO_COLOR is set."""
    error = {"output_type": "error", "traceback": ["\x1b[31mE\x1b[0m"]}
    for setting, shown in (("", "\x1b[31mE\x1b[0m\n"), ("1", "E\n")):
        err = Tty()
        monkeypatch.setattr("sys.stderr", err)
        monkeypatch.setenv("NO_COLOR", setting)
        show(Output("1", dict(error)))
        assert err.getvalue() == shown


def test_json(capsys: Capture) -> None:
    """With --json every event is a line of JSON, and nothing else is written."""
    show(
        stream("hi\n"),
        display(png()),
        Status("3", {"execution_state": "idle"}),
        screen=Renderer(Call(json=True)),
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["output", "output", "status"]
    assert lines[0]["data"]["text"] == "hi\n"
