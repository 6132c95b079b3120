"""Which kernel a word means."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jupyter_bridge.cli.kernel_choice import find_kernel, find_kernel_or_kernelspec, find_kernels
from jupyter_bridge.client import Bridge, KernelModel
from jupyter_bridge.models.kernels import NO_RELAY
from jupyter_bridge.problems import Conflict, NotFound


def running(name: str, called: str, kernelspec: str) -> KernelModel:
    return KernelModel(name, name, called, kernelspec, "idle", None, 0, NO_RELAY)


AB1 = running("ab1", "python3", "python3")
AB2 = running("ab2", "mine", "python3")
ADA = running("ada3", "twin", "ada")
TWIN = running("f00", "twin", "ada")


class Known:
    """A server with these kernels and kernelspecs."""

    def __init__(self, *kernels: KernelModel) -> None:
        self._kernels = kernels

    def kernels(self, conn: str | None = None) -> list[KernelModel]:
        there = f"{conn}:"
        return [k for k in self._kernels if k.id.startswith(there) == (conn is not None)]

    def kernelspecs(self) -> dict[str, str]:
        return {"python3": "Python 3", "ada": "Ada", "ab": "AB"}


def known(*kernels: KernelModel) -> Bridge:
    return cast(Bridge, Known(*kernels))


@pytest.mark.parametrize(("word", "kernel"), [("ab1", AB1), ("mine", AB2), ("f", TWIN)])
def test_kernel(word: str, kernel: KernelModel) -> None:
    """A kernel is known by its id, the beginning of it, or the name it was given."""
    assert find_kernel(known(AB1, AB2, ADA, TWIN), word) == kernel


def test_a_kernel_of_a_connection() -> None:
    """It is known the same ways, behind the connection's name; else it is a kernelspec there."""
    far = running("lab:ab9", "distant", "python3")
    server = known(AB1, far)
    for word in ("lab:ab9", "lab:ab", "lab:distant"):
        assert find_kernels(server, [word, "ab1"]) == [far, AB1]
        assert find_kernel_or_kernelspec(server, word) == far
    assert find_kernel_or_kernelspec(server, "lab:python3") == "lab:python3"
    with pytest.raises(NotFound, match="Running kernels: lab:ab9"):
        find_kernel(server, "lab:")


@pytest.mark.parametrize("word", ["ab", "twin", "a"])
def test_several(word: str) -> None:
    """A word that may mean several kernels means none; they are listed."""
    with pytest.raises(Conflict) as caught:
        find_kernel(known(AB1, AB2, ADA, TWIN), word)
    assert len(caught.value.details["kernels"]) > 1


@pytest.mark.parametrize("word", ["zz", "", "python3", "ab11"])
def test_none(word: str) -> None:
    """A word that means nothing is told with what there is; a kernelspec is no kernel."""
    with pytest.raises(NotFound, match="Running kernels: ab1"):
        find_kernel(known(AB1), word)
    with pytest.raises(NotFound, match="Running kernels: none"):
        find_kernel(known(), word)


def test_all_or_nothing() -> None:
    """Several words are all looked up before anything is done."""
    assert find_kernels(known(AB1, AB2), ["ab2", "ab1"]) == [AB2, AB1]
    with pytest.raises(NotFound):
        find_kernels(known(AB1, AB2), ["ab2", "zz"])


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("python3", "python3"),
        ("ab", "ab"),
        ("ada", "ada"),
        ("ab1", AB1),
        ("ada3", ADA),
        (None, "python3"),
    ],
)
def test_place(word: str | None, place: Any) -> None:
    """Code runs in a kernelspec of that name, else in a kernel; without a word, in the default."""
    assert find_kernel_or_kernelspec(known(AB1, AB2, ADA), word) == place


def test_no_place() -> None:
    """A word that is neither is told with both."""
    with pytest.raises(NotFound, match=r"Running kernels: ab1\. Kernelspecs: python3, ada"):
        find_kernel_or_kernelspec(known(AB1), "zz")
