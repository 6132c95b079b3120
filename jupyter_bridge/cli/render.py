r"""Renderer: show the events of an execution on a terminal or in a pipe.

stdout goes to stdout and stderr to stderr unchanged, `\r` included. A value is a line. An image is
written to a file, whose path is a line. Of HTML, Markdown or LaTeX the plain text is shown. A
traceback goes to stderr, in colour only if stderr is a terminal.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jupyter_bridge.cli import output as out
from jupyter_bridge.cli.call import Call
from jupyter_bridge.client import ClearOutput, Event, Gap, Output, UpdateDisplay
from jupyter_bridge.private_files import is_private, open_unlinked, own_temporary_folder
from jupyter_bridge.wire.visible import visible

# The preferred image format first.
_IMAGES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "image/bmp": "bmp",
    "application/pdf": "pdf",
}
# Types whose source is readable, shown if there is no plain text.
_READABLE = ("text/markdown", "text/latex", "application/json")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# The sequence with which IPython clears a terminal's line.
_CLEAR_LINE = "\x1b[2K\r"


class Renderer:
    """Shows events; with `--json` prints them as NDJSON.

    `images` is the folder for images (default: a temporary one), created for the first image.
    `label` returns the text before a value, given the execution count.
    """

    def __init__(
        self,
        call: Call,
        images: Path | None = None,
        label: Callable[[object], str] = lambda count: "",
    ) -> None:
        self._call = call
        self._images = images
        self._temporary: Path | None = None
        self._label = label
        self._written = 0
        # By display_id, the text shown or the image's file.
        self._displays: dict[str, str | Path] = {}
        self._line_open = False

    def show(self, event: Event) -> None:
        """Show one event at once."""
        if self._call.json:
            self._call.print_json(event.to_json())
        elif isinstance(event, Output):
            self._show_output(event.data)
        elif isinstance(event, UpdateDisplay):
            self._show_update(event.data)
        elif isinstance(event, ClearOutput):
            self._clear()
        elif isinstance(event, Gap):
            self._call.note(f"[{event.lost} events were lost while disconnected]")

    def finish(self) -> None:
        """End an unfinished line of output, on a terminal."""
        if self._line_open and out.is_terminal():
            out.raw("\n")
        self._line_open = False

    def _show_output(self, output: dict[str, Any]) -> None:
        kind = output.get("output_type")
        if kind == "stream":
            self._write(_text(output.get("text")), err=output.get("name") == "stderr")
        elif kind == "error":
            self._show_error(output)
        else:
            label = self._label(output.get("execution_count")) if kind == "execute_result" else ""
            shown = self._show_bundle(output.get("data") or {}, label)
            display_id = (output.get("transient") or {}).get("display_id")
            if display_id:
                self._displays[display_id] = shown

    def _show_update(self, update: dict[str, Any]) -> None:
        """Show new text below, as a terminal cannot go back; write an image to the same file."""
        display_id = str(update.get("display_id"))
        before = self._displays.get(display_id)
        data = update.get("data") or {}
        image = _image(data)
        if image is not None and isinstance(before, Path) and self._rewrite(before, *image):
            return
        if image is not None or self._plain(data) != before:
            self._displays[display_id] = self._show_bundle(data, "")

    def _show_bundle(self, data: dict[str, Any], label: str) -> str | Path:
        image = _image(data)
        if image is not None:
            file = self._save(*image)
            self._write_line(f"{label}{file}")
            return file
        text = self._plain(data)
        if text:
            # A value of several lines starts on a new line, so that its columns align.
            self._write_line(f"{label}\n{text}" if label and "\n" in text else f"{label}{text}")
        return text

    def _plain(self, data: dict[str, Any]) -> str:
        if "text/plain" in data:
            return _text(data["text/plain"])
        for mime in _READABLE:
            if mime in data:
                return _text(data[mime])
        return visible(f"[{', '.join(data)}]") if data else ""

    def _show_error(self, output: dict[str, Any]) -> None:
        lines = [_text(line) for line in output.get("traceback") or []]
        text = "\n".join(lines) or f"{output.get('ename', '')}: {output.get('evalue', '')}"
        coloured = out.is_terminal(err=True) and not os.environ.get("NO_COLOR")
        self.finish()
        out.raw(f"{(text if coloured else _COLOURS.sub('', text)).rstrip()}\n", err=True)

    def _clear(self) -> None:
        if self._line_open and out.is_terminal():
            out.raw(_CLEAR_LINE)
            self._line_open = False

    def _write_line(self, text: str) -> None:
        self.finish()
        self._write(f"{text}\n")

    def _write(self, text: str, *, err: bool = False) -> None:
        out.raw(text, err=err)
        if text:
            self._line_open = not text.endswith("\n")

    def _rewrite(self, file: Path, ending: str, content: bytes) -> bool:
        """Write new content to an image's file; False if that is not there, or not the user's."""
        if file.suffix != f".{ending}":
            return False
        try:
            if self._images is None and not is_private(file.parent):
                return False
            with open(open_unlinked(file, os.O_WRONLY | os.O_TRUNC), "wb") as old:
                old.write(content)
        except OSError:
            return False
        return True

    def _save(self, ending: str, content: bytes) -> Path:
        """Write the image to a new file; never overwrites one."""
        if self._images is None:
            folder = self._temporary = own_temporary_folder("jupyter-bridge-", self._temporary)
        else:
            folder = self._images
            folder.mkdir(parents=True, exist_ok=True)
        while True:
            self._written += 1
            file = folder / f"image-{self._written}.{ending}"
            if not file.exists():
                break
        with file.open("xb") as new:
            new.write(content)
        return file


def _image(data: dict[str, Any]) -> tuple[str, bytes] | None:
    """Return the file extension and the content of the image in a bundle, None if none."""
    for mime, ending in _IMAGES.items():
        if mime in data:
            text = _text(data[mime])
            if mime == "image/svg+xml":
                return ending, text.encode("utf-8", "replace")
            try:
                return ending, base64.b64decode("".join(text.split()), validate=True)
            except (binascii.Error, ValueError):
                continue
    return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "".join(value)  # nbformat's list of lines
    return "" if value is None else msgspec.json.encode(value).decode()
