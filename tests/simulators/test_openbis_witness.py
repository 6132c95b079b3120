"""pyBIS 1.37 works with the simulator as with openBIS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pybis import Openbis

from tests.simulators.openbis.simulator import Simulator

APIS = pytest.mark.parametrize("api", ["3.5", "3.6", "3.7"])
CONTENT = {
    "a.txt": b"hello\n",
    "empty": b"",
    "deep/er/b.bin": bytes(range(256)) * 5000,
    "grüße.txt": "grüße\n".encode(),
}


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    # pyBIS stores tokens below the home folder.
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Simulator(tmp_path / "openbis") as running:
        yield running


def _pybis(simulator: Simulator) -> Any:
    openbis = Openbis(
        simulator.url,
        allow_http_but_do_not_use_this_in_production_and_only_within_safe_networks=True,
    )
    openbis.login("ada", "secret")
    return openbis


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_session_begins_and_ends(simulator: Simulator) -> None:
    """A wrong password gives null, the right one a token that is valid until the logout."""
    with pytest.raises(ValueError, match="login to openBIS failed"):
        Openbis(
            simulator.url,
            allow_http_but_do_not_use_this_in_production_and_only_within_safe_networks=True,
        ).login("ada", "wrong")
    openbis = _pybis(simulator)
    token = openbis.token
    assert openbis.is_token_valid(token)
    openbis.logout()
    assert not openbis.is_token_valid(token)


@APIS
@pytest.mark.parametrize("references", [True, False])
def test_pybis_reads_a_data_set(
    simulator: Simulator, tmp_path: Path, api: str, references: bool
) -> None:
    """pyBIS downloads the same bytes in each version's way, with references or without."""
    simulator.knobs.api, simulator.knobs.references = api, references
    simulator.knobs.chunk_bytes = 100_000
    made = simulator.store.add(CONTENT, sample="/LAB/PROJECT/S1")
    data_set = _pybis(simulator).get_dataset(made.perm_id)
    data_set.download(destination=str(tmp_path / "down"))
    assert _tree(tmp_path / "down" / made.perm_id / "original") == CONTENT
    assert data_set.sample.identifier == "/LAB/PROJECT/S1"


@APIS
def test_pybis_writes_a_data_set(simulator: Simulator, tmp_path: Path, api: str) -> None:
    """An upload of pyBIS, in chunks if it is large, is registered unchanged."""
    simulator.knobs.api = api
    source = tmp_path / "up.bin"
    source.write_bytes(os.urandom(1 << 20) * 11)
    data_set = _pybis(simulator).new_dataset(
        type="RAW_DATA",
        experiment="/LAB/PROJECT/E1",
        files=[str(source)],
        props={"$name": "mine"},
    )
    data_set.save()
    made = simulator.store.data_sets[data_set.permId]
    assert _tree(made.folder) == {"original/up.bin": source.read_bytes()}
    assert (made.experiment, made.properties["$name"]) == ("/LAB/PROJECT/E1", "mine")


def test_pybis_searches_page_by_page(simulator: Simulator) -> None:
    """Paging returns the requested part and the total count."""
    for number in range(7):
        simulator.store.add({"n": str(number).encode()}, sample="/LAB/PROJECT/S1")
    simulator.store.add({"n": b"x"}, experiment="/LAB/PROJECT/E1")
    found = _pybis(simulator).get_datasets(sample="/LAB/PROJECT/S1", start_with=5, count=5)
    assert (len(found), found.totalCount) == (2, 7)


def test_pybis_mints_a_token(simulator: Simulator) -> None:
    """A personal access token outlives the session that created it."""
    openbis = _pybis(simulator)
    minted = openbis.get_or_create_personal_access_token("bridge")
    simulator.store.end_all()
    assert openbis.is_token_valid(minted.permId)
    assert minted.permId.startswith("$pat-ada-")


def test_a_session_ends_by_itself(simulator: Simulator) -> None:
    """After its time a token is no longer active."""
    simulator.knobs.session_seconds = 3600
    openbis = _pybis(simulator)
    assert openbis.is_session_active()
    simulator.knobs.session_seconds = 0
    assert not openbis.is_session_active()
