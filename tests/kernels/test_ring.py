"""The ring against a plain list that forgets in the same way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.kernels import ring as ring_module
from jupyter_bridge.kernels.ring import Ring
from jupyter_bridge.wire import kernel

Appended = tuple[int, bool]


def append(ring: Ring, size: int, *, public: bool = True, msg_id: str | None = None) -> str:
    parts = kernel.build_message("stream", {"text": "x" * size}, "s", msg_id=msg_id)
    header = kernel.parse_header(parts[0])
    ring.append("iopub", header, parts, None if public else object())
    return header.msg_id


appends = st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=60)


@given(appends, st.integers(1, 20_000))
def test_against_a_list(messages: list[Appended], limit: int) -> None:
    """It holds the newest entries that fit, in order, numbered without a gap, and counts bytes."""
    ring = Ring(limit)
    model: list[tuple[int, str, int, bool]] = []
    forgotten = 0
    for seq, (size, public) in enumerate(messages, 1):
        msg_id = append(ring, size, public=public)
        (entry,) = list(ring.since(ring.end - 1))
        model.append((seq, msg_id, entry.size, public))
        while len(model) > 1 and sum(size for _, _, size, _ in model) > limit:
            forgotten += model.pop(0)[3]
        held = list(ring.since(0))
        assert [(e.seq, e.header.msg_id) for e in held] == [(s, i) for s, i, _, _ in model]
        assert ring.bytes == sum(size for _, _, size, _ in model)
        assert ring.end == seq + 1
        assert ring.first == model[0][0]
        assert ring.forgotten == forgotten
        assert ring.count == forgotten + sum(public for *_, public in model)


@given(appends, st.integers(1, 20_000), st.integers(0, 70))
def test_since(messages: list[Appended], limit: int, start: int) -> None:
    """`since` gives what is held from a number on, wherever that lies."""
    ring = Ring(limit)
    for size, public in messages:
        append(ring, size, public=public)
    assert [e.seq for e in ring.since(start)] == list(range(max(start, ring.first), ring.end))


@given(appends, st.integers(1, 20_000))
def test_find(messages: list[Appended], limit: int) -> None:
    """A message for everybody is found while held; afterwards its number is remembered."""
    ring = Ring(limit)
    ids = [(append(ring, size, public=public), public) for size, public in messages]
    number = 0
    for seq, (msg_id, public) in enumerate(ids, 1):
        number += public
        found = ring.find(msg_id)
        if not public:
            assert found is None
            assert ring.number_of_forgotten(msg_id) is None
        elif seq >= ring.first:
            assert found is not None
            assert (found.seq, found.number) == (seq, number)
        else:
            assert found is None
            assert ring.number_of_forgotten(msg_id) == number


def test_parts() -> None:
    """An entry's parts are what was appended, and its frame is the v1 frame of them."""
    ring = Ring(1 << 20)
    parts = [*kernel.build_message("stream", {}, "s"), b"\x00buffer", b""]
    entry = ring.append("iopub", kernel.parse_header(parts[0]), parts)
    assert entry.parts == parts
    assert entry.frame == kernel.build_v1("iopub", parts)


def test_one_entry_always_fits() -> None:
    """An entry larger than the limit is held until the next one comes."""
    ring = Ring(10)
    for _ in range(3):
        msg_id = append(ring, 5000)
        assert [e.header.msg_id for e in ring.since(0)] == [msg_id]


def test_forgotten_ids_are_bounded() -> None:
    """Only so many forgotten ids are remembered, the newest, and the list's old end is cut off."""
    ring = Ring(1)
    ids = [append(ring, 1) for _ in range(ring_module.FORGOTTEN_IDS + 500)]
    assert ring.number_of_forgotten(ids[0]) is None
    assert ring.number_of_forgotten(ids[-2]) == len(ids) - 1
    assert [e.header.msg_id for e in ring.since(0)] == ids[-1:]
