"""wire/openbis/rpc.py: calls, answers, references, upload requests."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybis.utils import parse_jackson

from jupyter_bridge.wire.openbis import rpc

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "openbis.json").read_text())


def _named(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_call_is_json_rpc() -> None:
    """A call names its method and its parameters in order."""
    assert json.loads(rpc.build_call("login", "ada", "secret")) == {
        "jsonrpc": "2.0",
        "id": "1",
        "method": "login",
        "params": ["ada", "secret"],
    }


@_named(VECTORS["references"])
def test_references(case: dict[str, Any]) -> None:
    """References become their objects, numbers stay numbers."""
    found = rpc.parse_answer(_encode(case["answer"]), Any, 1 << 25)
    for step in case["path"]:
        found = found[step]
    assert found == case["value"]


def test_references_as_pybis_reads_them() -> None:
    """Where pyBIS resolves a reference, the same object comes out."""
    result = VECTORS["references"][0]["answer"]["result"]
    theirs = copy.deepcopy(result)
    parse_jackson(theirs)
    assert rpc.resolve(copy.deepcopy(result)) == theirs


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["@id", "type", "parents", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_any_answer_is_read_or_refused(value: Any) -> None:
    """No JSON whatever makes the reader do anything but answer or refuse."""
    rpc.parse_answer(_encode({"result": value}), Any, 1 << 25)
    for body in (_encode(value), _encode({"error": value})):
        try:
            rpc.parse_answer(body, Any, 1 << 25)
        except (rpc.FormError, rpc.RpcError):
            pass


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"3",
        b"{}",
        b'{"jsonrpc": "2.0"}',
        b"[" * 100_000,
        b'{"result": "\xff"}',
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    """HTML of a proxy, half an answer or a nesting bomb is a FormError."""
    with pytest.raises(rpc.FormError):
        rpc.parse_answer(body, Any, 1 << 25)


@pytest.mark.parametrize(
    ("message", "expired"),
    [
        ("Session token 'ada-1' is invalid: session is not valid or expired. Please login.", True),
        ("Session no longer available. Please login again.", True),
        ("Authorization failure: ERROR: no rights to access the session workspace", False),
        ("Object with permId 2 has not been found.", False),
    ],
)
def test_an_error_says_whether_the_session_is_over(message: str, expired: bool) -> None:
    """A login is worth a try exactly where the server speaks of the session."""
    with pytest.raises(rpc.RpcError) as caught:
        rpc.parse_answer(_encode({"error": {"code": -32000, "message": message}}), Any, 1 << 25)
    assert (caught.value.expired, caught.value.message) == (expired, message)


@_named(VECTORS["uploads"])
def test_upload_query(case: dict[str, Any]) -> None:
    """A name may hold anything; the token is in the query and nowhere else."""
    query = rpc.upload_query(
        *(case["filename"], case["number"], case["start"], case["end"], case["token"]),
        folder=case["folder"],
    )
    assert query == case["query"]


@given(st.integers(0, 10_000), st.integers(1, 700))
def test_upload_chunks_cover_a_file_once(size: int, chunk: int) -> None:
    """The chunks of a file are numbered from 1, touch, and end where it ends."""
    chunks = list(rpc.upload_chunks(size, chunk))
    assert [number for number, _, _ in chunks] == list(range(1, len(chunks) + 1))
    assert [start for _, start, _ in chunks] == [0, *(end for _, _, end in chunks[:-1])]
    assert chunks[-1][2] == size


def test_an_uploaded_chunk_must_be_ok() -> None:
    """Only status ok with a size counts."""
    assert rpc.parse_uploaded(b'{"status": "ok", "size": "12"}') == 12
    for body in (
        b"",
        b"[]",
        b'{"status": "no"}',
        b'{"status": "ok"}',
        b'{"status":"ok","size":"x"}',
    ):
        with pytest.raises(rpc.FormError):
            rpc.parse_uploaded(body)


def test_object_ids() -> None:
    """A slash makes an identifier, in capitals and with a leading slash; else it is a permId."""
    sample = rpc.object_id("sample", "space/project/s1")
    assert sample == {
        "@type": "as.dto.sample.id.SampleIdentifier",
        "identifier": "/SPACE/PROJECT/S1",
    }
    assert rpc.object_id("dataset", "2024-1") == {
        "@type": "as.dto.dataset.id.DataSetPermId",
        "permId": "2024-1",
    }


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda size: b'{"status": "ok", "size": ' + size + b"}",
        st.sampled_from([b"1e999", b'"1e3"', b"null", b"[", b"true", b'"\xff"', b"9" * 5000]),
    )
    | st.sampled_from([b'{"status": "\xff"}', b"[" * 100_000])
)
def test_any_answer_to_a_chunk_is_read_or_refused(body: bytes) -> None:
    """The number of bytes, or a FormError."""
    try:
        assert isinstance(rpc.parse_uploaded(body), int)
    except rpc.FormError:
        pass


@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_refused(body: bytes) -> None:
    """What is no JSON-RPC answer is a FormError, in any bytes."""
    try:
        rpc.parse_answer(body, Any, 1 << 25)
    except (rpc.FormError, rpc.RpcError):
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_a_result_without_references_is_as_it_was_sent(value: Any) -> None:
    """Where no object has an `@id`, nothing is replaced."""
    body = _encode({"jsonrpc": "2.0", "result": value})
    if b"@id" not in body:
        assert rpc.parse_answer(body, Any, 1 << 25) == value


@given(st.text(), st.integers(1, 99), st.integers(0, 2**40), st.integers(0, 2**40), st.text())
def test_an_upload_is_asked_for_as_it_is_meant(
    filename: str, number: int, start: int, end: int, token: str
) -> None:
    """No name and no token can add to the query, or change another part of it."""
    query = rpc.upload_query(filename, number, start, end, token)
    asked = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict"))
    assert asked == {
        "filename": filename,
        "id": str(number),
        "startByte": str(start),
        "endByte": str(end),
        "emptyFolder": "False",
        "sessionID": token,
    }
