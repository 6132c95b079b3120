"""Find a kernel by its id, the beginning of the id, its name, or a kernelspec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_bridge.problems import Conflict, NotFound
from jupyter_bridge.wire.names import KernelName

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge, KernelModel


def find_kernels(bridge: Bridge, words: list[str]) -> list[KernelModel]:
    """Return the running kernel for each word; raises NotFound, or Conflict if ambiguous."""
    running = {
        conn: bridge.kernels(conn) for conn in {KernelName.parse(word).connection for word in words}
    }
    return [_one(word, running[KernelName.parse(word).connection]) for word in words]


def find_kernel(bridge: Bridge, word: str) -> KernelModel:
    """Return the running kernel for one word."""
    return find_kernels(bridge, [word])[0]


def find_kernel_or_kernelspec(bridge: Bridge, word: str | None) -> KernelModel | str:
    """Return where to run code: a running kernel, or the name of a kernelspec.

    The name of a kernelspec wins over the beginning of an id. The default is the server's default
    kernelspec. The kernelspecs of a connection are not checked; only its server knows them.
    """
    if word is not None and (connection := KernelName.parse(word).connection) is not None:
        running = bridge.kernels(connection)
        return _one(word, running) if _matching(word, running) else word
    specs = bridge.kernelspecs()
    if word is None:
        return next(iter(specs), "python3")
    if word in specs:
        return word
    running = bridge.kernels()
    if _matching(word, running):
        return _one(word, running)
    raise NotFound(
        f"No kernel or kernelspec named {word!r}. Running kernels: {_listed(running)}. "
        f"Kernelspecs: {', '.join(specs)}.",
        kernels=[kernel.id for kernel in running],
        kernelspecs=list(specs),
    )


def _one(word: str, running: list[KernelModel]) -> KernelModel:
    matching = _matching(word, running)
    if len(matching) == 1:
        return matching[0]
    ids = [kernel.id for kernel in matching or running]
    if matching:
        raise Conflict(f"{word!r} matches {len(ids)} kernels: {', '.join(ids)}.", kernels=ids)
    raise NotFound(f"No kernel {word!r}. Running kernels: {_listed(running)}.", kernels=ids)


def _listed(running: list[KernelModel]) -> str:
    ids = ", ".join(kernel.id for kernel in running)
    return ids or "none"


def _matching(word: str, running: list[KernelModel]) -> list[KernelModel]:
    """Return the kernels with this id, otherwise with this name, otherwise with this prefix."""
    by_id = [kernel for kernel in running if kernel.id == word]
    rest = KernelName.parse(word).rest
    by_name = [kernel for kernel in running if kernel.name == rest != kernel.kernelspec]
    by_start = [kernel for kernel in running if rest and kernel.id.startswith(word)]
    return by_id or by_name or by_start
