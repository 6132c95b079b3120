"""Which kernel a person means: an id, the beginning of one, a name, or a kernelspec."""

from __future__ import annotations

from jupyter_bridge.client import Bridge, KernelModel
from jupyter_bridge.problems import Conflict, NotFound
from jupyter_bridge.wire.names import KernelName


def find_kernels(bridge: Bridge, words: list[str]) -> list[KernelModel]:
    """The running kernel that each word means; NotFound or Conflict before anything is done."""
    running = {
        conn: bridge.kernels(conn) for conn in {KernelName.parse(word).connection for word in words}
    }
    return [_one(word, running[KernelName.parse(word).connection]) for word in words]


def find_kernel(bridge: Bridge, word: str) -> KernelModel:
    """The running kernel that one word means."""
    return find_kernels(bridge, [word])[0]


def find_place(bridge: Bridge, word: str | None) -> KernelModel | str:
    """Where code is to run: a kernel that runs, or the name of a kernelspec.

    The name of a kernelspec wins over the beginning of an id. Without a word it is the server's
    default kernelspec. What a connection has for kernelspecs, only that server knows.
    """
    if word is not None and (connection := KernelName.parse(word).connection) is not None:
        running = bridge.kernels(connection)
        return _one(word, running) if _meant(word, running) else word
    specs = bridge.kernelspecs()
    if word is None:
        return next(iter(specs), "python3")
    if word in specs:
        return word
    running = bridge.kernels()
    if _meant(word, running):
        return _one(word, running)
    raise NotFound(
        f"{word} is neither a running kernel ({_listed(running)}) nor a kernelspec "
        f"(there are {', '.join(specs)}).",
        kernels=[kernel.id for kernel in running],
        kernelspecs=list(specs),
    )


def _one(word: str, running: list[KernelModel]) -> KernelModel:
    meant = _meant(word, running)
    if len(meant) == 1:
        return meant[0]
    ids = [kernel.id for kernel in meant or running]
    if meant:
        raise Conflict(f"{word} may mean {len(ids)} kernels: {', '.join(ids)}.", kernels=ids)
    raise NotFound(f"There is no kernel {word}; {_listed(running)}.", kernels=ids)


def _listed(running: list[KernelModel]) -> str:
    ids = ", ".join(kernel.id for kernel in running)
    return f"there are {ids}" if ids else "none is running"


def _meant(word: str, running: list[KernelModel]) -> list[KernelModel]:
    """Every kernel that may be meant: by its id, by a name given to it, by the id's beginning."""
    by_id = [kernel for kernel in running if kernel.id == word]
    rest = KernelName.parse(word).rest
    by_name = [kernel for kernel in running if kernel.name == rest != kernel.kernelspec]
    by_start = [kernel for kernel in running if rest and kernel.id.startswith(word)]
    return by_id or by_name or by_start
