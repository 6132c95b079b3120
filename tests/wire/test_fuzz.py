"""Every codec under a fuzzer that follows its branches; behind `make soak`."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SECONDS = 60
# The modules that read what others wrote. The rest builds bytes or text, for `tests/wire`.
CODECS = (
    *("ansi", "asciicast", "console", "fastdownload", "kernel", "openbis", "outputs", "shell"),
)


@pytest.mark.soak
@pytest.mark.parametrize("codec", CODECS)
def test_nothing_but_the_documented_error(codec: str, tmp_path: Path) -> None:
    """For a minute of bytes that reach ever new branches, a codec answers or refuses."""
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed (pip install 'jupyter_bridge[soak]')")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.codec_fuzzing", codec),
            *(f"-max_total_time={SECONDS}", "-max_len=4096", f"-artifact_prefix={tmp_path}/"),
        ],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS * 5,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:].decode(errors="replace")
    assert b"Done" in done.stdout
