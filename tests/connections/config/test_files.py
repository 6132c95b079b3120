"""Connections from traits, files and the environment; nothing in them stops a server."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.config.files import MAX_FILE, ConfigFiles, Found
from tests.support.broken_yaml import GOOD, broken_file


def found(folder: Path, text: str | bytes, name: str = "bridge-connections.yaml") -> Found:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return ConfigFiles([], [folder], {}).read()


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Entries come with file and line, and a password 0123 stays 0123."""
    result = found(tmp_path, GOOD)
    lab = result.entries["lab"]
    assert lab.given == {
        "url": "https://openbis.example.org",
        "username": "jane",
        "password": "0123",
    }
    assert lab.source == f"{tmp_path}/bridge-connections.yaml:2"
    assert result.entries["data"].kind is None
    assert result.reports == []
    assert "0123" not in repr(lab)


def test_openbis_files_are_read_too(tmp_path: Path) -> None:
    """jupyter-openbis-server's file is read: its kind, its words for TLS and plain http."""
    text = (
        "connections:\n- {name: a, url: 'http://h', verify_certificates: false, http_only: true}\n"
        "- {name: b, url: 'https://h'}\n"
    )
    result = found(tmp_path, text, "openbis-connections.yaml")
    a, b = result.entries["a"], result.entries["b"]
    assert (a.kind, a.verify, a.insecure_http) == ("openbis", False, True)
    assert (b.kind, b.verify, b.insecure_http) == ("openbis", True, False)


def test_the_environment_is_read() -> None:
    """OPENBIS_URL and OPENBIS_TOKEN make a connection named after the host."""
    environ = {"OPENBIS_URL": "https://openbis.example.org/x", "OPENBIS_TOKEN": "$pat-jane-1"}
    entry = ConfigFiles([], [], environ).read().entries["openbis.example.org"]
    assert entry.kind == "openbis"
    assert entry.given["token"] == "$pat-jane-1"
    bad = ConfigFiles([], [], {"OPENBIS_URL": "https://["}).read()
    assert not bad.entries
    assert bad.reports


def test_traits_come_first() -> None:
    """A trait's entry is reported by its place, and goes before a file's of the same name."""
    traits: list[Any] = [
        {"name": "lab", "url": "/a"},
        {"name": "lab", "url": "/b"},
        5,
        {"url": "x"},
    ]
    result = ConfigFiles(traits, [], {}).read()
    assert result.entries["lab"].given == {"url": "/a"}
    assert [report.source.rpartition(".")[2] for report in result.reports] == [
        f"connections[{index}]" for index in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("connections:\n  - name: a\n    url: [\n", "4"),
        ("connections:\n  - {name: a, url: /x}\n  - {name: a, url: /y}\n", "3"),
        ("connections:\n\n  - url: /x\n", "3"),
        ("connections:\n  - name: a\n", "2"),
        ("connections:\n  - just a text\n", "2"),
        ("connections:\n  - {name: a, url: /x, verify: perhaps}\n", "2"),
        ("connections:\n  name: a\n", "2"),
        ("connections:\n  - !!python/object/apply:os.system [touch /tmp/x]\n", "2"),
        ("connections:\n  - &a {name: *a}\n", "2"),
        ("connections:\n\t- tab\n", "2"),
    ],
)
def test_what_is_wrong_is_told_by_line(tmp_path: Path, text: str, line: str) -> None:
    """Each mistake is reported with the file and the line."""
    result = found(tmp_path, text)
    (report, *_) = result.reports
    assert report.source.split(":")[-1] == line


def test_a_report_quotes_no_password(tmp_path: Path) -> None:
    """A file that is no YAML is reported without the line that may hold a password."""
    result = found(tmp_path, 'connections:\n  - {name: a, password: "Sesame-canary\n')
    assert result.reports
    assert "Sesame" not in str(result.reports)


def test_readable_passwords_are_reported(tmp_path: Path) -> None:
    """A password in a file that others can read is reported, and used all the same."""
    found(tmp_path, GOOD)
    (tmp_path / "bridge-connections.yaml").chmod(0o644)
    result = ConfigFiles([], [tmp_path], {}).read()
    assert "lab" in result.entries
    assert "chmod 600" in result.reports[0].message


def test_changes_are_seen(tmp_path: Path) -> None:
    """`changed` is true after an edit, a new file and a removal, and false otherwise."""
    sources = ConfigFiles([], [tmp_path], {})
    sources.read()
    path = tmp_path / "bridge-connections.yaml"
    for act in (
        lambda: path.write_text(GOOD),
        lambda: path.write_text(GOOD + "#"),
        lambda: os.remove(path),
    ):
        assert not sources.changed()
        act()
        assert sources.changed()
        sources.read()


def test_small_bombs_do_not_explode(tmp_path: Path) -> None:
    """Aliases of aliases and deep nesting are refused within memory and time."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in range(1, 9):
        bomb += f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n"
    assert found(tmp_path, bomb + "connections: *a8\n").reports
    assert found(tmp_path, "connections: " + "[" * 50_000).reports
    assert found(tmp_path, b"#" * (MAX_FILE + 1)).reports


def test_2000_broken_files_do_no_harm(tmp_path: Path) -> None:
    """2,000 files with bytes flipped, cut, doubled and inserted are read without an exception."""
    chance = random.Random(4)
    reported = [bool(found(tmp_path, broken_file(chance)).reports) for _ in range(2000)]
    assert set(reported) == {True, False}, "some of them are broken, and some are not"
