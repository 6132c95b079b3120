import json

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.terminal import asciicast
from jupyter_bridge.wire.visible import visible


def test_the_header_is_one_line_that_asciinema_reads() -> None:
    """Version 2, a size, a start in whole seconds, a title where there is one."""
    assert json.loads(asciicast.Recording(1504467315.9).header(80, 24, "naïve\n")) == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": 1504467315,
        "title": "naïve\n",
    }
    assert "\n" not in asciicast.Recording(0).header(80, 24, "a\nb")


def test_a_command_of_an_integrated_shell_gets_a_marker() -> None:
    """OSC 133;C becomes an "m" event before the output it begins."""
    recording = asciicast.Recording(10.0)
    lines = recording.output(11.5, b"$ ls\r\n\x1b]133;C;abc\x07file\r\n")
    assert [json.loads(line)[:2] for line in lines] == [[1.5, "o"], [1.5, "m"], [1.5, "o"]]


def test_a_marker_names_its_command() -> None:
    """What stands between the shell's marks 133;B and 133;C, without its escape sequences."""
    recording = asciicast.Recording(0)
    said = b"\x1b]133;A\x07$ \x1b]133;B\x07\x1b[1ml\x1b[0ms\b\bls  -l\x1b[K\r\n"
    said += b"\x1b]133;C\x07file\r\n"
    for cut in (0, 23, 30):
        lines = recording.output(1, said[:cut]) + recording.output(1, said[cut:])
        labels = [json.loads(line)[2] for line in lines if json.loads(line)[1] == "m"]
        assert labels == ["ls -l"]


def test_version_3_has_intervals_sizes_and_the_exit() -> None:
    """As https://docs.asciinema.org/manual/asciicast/v3/ has it."""
    recording = asciicast.Recording3(1504467315.5)
    lines = [
        recording.header(80, 24, "title"),
        *recording.output(1504467316.5, b"one"),
        recording.resize(1504467316.75, 30, 100),
        *recording.output(1504467316.25, b"two"),
        *recording.exit(1504467318.75, 1),
    ]
    assert [json.loads(line) for line in lines] == [
        {
            "version": 3,
            "term": {"cols": 80, "rows": 24},
            "timestamp": 1504467315,
            "title": "title",
        },
        [1.0, "o", "one"],
        [0.25, "r", "100x30"],
        [0.0, "o", "two"],
        [2.0, "x", "1"],
    ]
    assert asciicast.Recording(0).exit(1, 1) == []
    assert json.loads(asciicast.Recording(0).resize(2.5, 30, 100)) == [2.5, "r", "100x30"]


def test_times_never_go_back() -> None:
    """A clock that was set back does not make a recording unplayable."""
    recording = asciicast.Recording(10.0)
    times = [json.loads(recording.output(when, b"x")[0])[0] for when in (12, 9, 13)]
    assert times == [2.0, 2.0, 3.0]


@given(st.text(), st.lists(st.integers(1, 5)))
def test_text_cut_anywhere_plays_whole(text: str, sizes: list[int]) -> None:
    """UTF-8 cut between its bytes is joined again."""
    data = text.encode("utf-8", "ignore")
    recording, lines, at = asciicast.Recording(0), [], 0
    for size in sizes:
        lines += recording.output(0, data[at : at + size])
        at += size
    lines += recording.output(0, data[at:], final=True)
    assert "".join(json.loads(line)[2] for line in lines) == data.decode()


MARK = b"\x1b]133;C\x07"


@given(
    st.lists(st.binary(max_size=12) | st.just(MARK), max_size=12),
    st.lists(st.floats(-1e9, 1e9), min_size=12, max_size=12),
)
def test_any_bytes_at_any_time_are_a_recording(pieces: list[bytes], times: list[float]) -> None:
    """Every line is `[time, "o" or "m", text]`, the times rise, and no byte is left out."""
    recording = asciicast.Recording(0)
    lines = [
        line
        for index, (when, data) in enumerate(zip(times, pieces, strict=False))
        for line in recording.output(when, data, final=index == len(pieces) - 1)
    ]
    events = [json.loads(line) for line in lines]
    assert all(code in ("o", "m") for _, code, _ in events)
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert all("\n" not in line for line in lines)
    text = "".join(text for _, code, text in events if code == "o")
    assert text == b"".join(pieces).decode(errors="replace")
    whole = pieces.count(MARK)
    assert [code for _, code, _ in events].count("m") >= whole


@given(st.integers(1, 999), st.integers(1, 999), st.floats(0, 1e10), st.text())
def test_any_header_is_one_line(width: int, height: int, when: float, title: str) -> None:
    """No title ends the line, or is told as another one."""
    line = asciicast.Recording(when).header(width, height, title)
    assert "\n" not in line
    told = json.loads(line)
    assert visible(line) == line
    assert (told["width"], told["height"], told.get("title", "")) == (width, height, title)
