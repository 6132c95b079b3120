"""HostKernels: the host's own kernel manager, with Problems for its errors.

The host manages every kernel that is started here: JupyterLab shows the bridge's kernels, and the
bridge shows JupyterLab's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_core.utils import ensure_async
from tornado.web import HTTPError
from traitlets import TraitError

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.kernels.backend import SETTLE_TIME
from jupyter_bridge.kernels.host.stderr_tail import StderrTail
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.models.kernels import NO_RELAY, KernelModel
from jupyter_bridge.problems import BadRequest, Busy, NotFound, Problem, StartFailed, Timeout
from jupyter_bridge.wire.times import read_iso

# The period of the check whether a starting kernel's process is alive, seconds.
ALIVE_PERIOD = 0.1
# The longest wait for a kernel's answer in `ask`, seconds.
ASK_TIME = 60.0
# The host's errors for the model of a kernel whose process is just starting, and the model of such
# a kernel.
UNKNOWN_YET = (AttributeError, TraitError)
STARTING = {"execution_state": "starting", "last_activity": None, "connections": 0}
# The number of stderr lines in the Problem of a failed kernel.
QUOTE = 20
# The operating system's message, which kernels of all kinds repeat.
PORT_TAKEN = os.strerror(errno.EADDRINUSE)


class PortTaken(StartFailed):
    """Another process took the port that the host chose for a kernel.

    This happens when many kernels start at the same time; another start helps. The host itself
    retries only on the same ports.
    """


class NoKernelspec(NotFound):
    """There is no kernelspec of this name; `kernelspecs` are the available ones."""

    def without_names(self, kernelspec: str) -> NotFound:
        """Return the same Problem for a user who may not read the list."""
        return NotFound(f"No kernelspec named {kernelspec!r}.")


class HostKernels:
    """The host's kernels: start, stop, look up.

    `manager` and `specs` are the host's MultiKernelManager and KernelSpecManager. `remote` tells
    that the kernels run behind a gateway, where local paths have no meaning.
    """

    def __init__(
        self, manager: Any, specs: Any, *, remote: bool = False, log: logging.Logger
    ) -> None:
        self.manager = manager
        self.remote = remote
        self._specs = specs
        self._log = log
        self._names: dict[str, str] = {}
        self._stderr: dict[str, StderrTail] = {}

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self.manager

    def get(self, kernel_id: str) -> Any:
        """Return the host's KernelManager of one kernel."""
        if kernel_id not in self.manager:
            raise NotFound(f"There is no kernel {kernel_id}.", kernel_id=kernel_id)
        return self.manager.get_kernel(kernel_id)

    def policy(self) -> KernelPolicy:
        """Return the host's current rules for what clients may send and see."""
        manager = self.manager
        return KernelPolicy(
            frozenset(manager.allowed_message_types),
            manager.allow_tracebacks,
            manager.traceback_replacement_message,
        )

    # -- models --------------------------------------------------------------------------------

    async def model(self, kernel_id: str) -> KernelModel:
        manager = self.get(kernel_id)
        try:
            return self._to_model(await ensure_async(self.manager.kernel_model(kernel_id)))
        except UNKNOWN_YET:
            return self._to_model({"id": kernel_id, "name": manager.kernel_name, **STARTING})

    async def list(self) -> list[KernelModel]:
        try:
            models = await ensure_async(self.manager.list_kernels())
        except UNKNOWN_YET:
            ids = self.manager.list_kernel_ids()
            return [await self.model(kernel_id) for kernel_id in ids if kernel_id in self.manager]
        return [self._to_model(model) for model in models]

    def _to_model(self, model: dict[str, Any]) -> KernelModel:
        kernel_id = model["id"]
        return KernelModel(
            id=kernel_id,
            kernelId=kernel_id,
            name=self._names.get(kernel_id, model["name"]),
            kernelspec=model["name"],
            execution_state=model.get("execution_state"),
            last_activity=read_iso(model.get("last_activity")),
            connections=model.get("connections", 0),
            relay=NO_RELAY,
            reason=model.get("reason") or None,
        )

    # -- starting ------------------------------------------------------------------------------

    async def start(
        self,
        kernelspec: str,
        *,
        cwd: str | None = None,
        path: str | None = None,
        env: dict[str, str] | None = None,
        name: str | None = None,
    ) -> str:
        """Start a kernel and return its id; the kernel may not answer yet.

        `cwd` is a folder of the operating system, `path` a contents path; `env` is added to the
        server's own environment.
        """
        spec = await self.spec(kernelspec)
        options: dict[str, Any] = {}
        if env:
            options["env"] = {**os.environ, **_checked_env(env)}
        if cwd is not None and path is not None:
            raise BadRequest("Give cwd or path, not both.", field="cwd")
        if cwd is not None:
            options["cwd"] = self._checked_cwd(cwd)
        if path is not None:
            options["path"] = self._checked_path(path)
        stderr = StderrTail() if self._is_local(spec) else None
        if stderr is not None:
            options["stderr"] = stderr.write_end
        try:
            kernel_id: str = await ensure_async(
                self.manager.start_kernel(kernel_name=kernelspec, **options)
            )
        except Exception as error:
            if stderr is not None:
                stderr.close()
            raise _start_failed(kernelspec, error) from error
        if stderr is not None:
            self._stderr[kernel_id] = stderr
        if name:
            self._names[kernel_id] = name
        return kernel_id

    async def spec(self, kernelspec: str) -> Any:
        """Return the host's KernelSpec of this name; NotFound names the available ones."""
        if self.remote:
            # With KERNEL_USERNAME set, the host's `get_kernel_spec` requests all kernelspecs from
            # the gateway and returns the whole answer.
            known = await ensure_async(self._specs.get_all_specs())
            if kernelspec in known:
                return self._specs.kernel_spec_class(**known[kernelspec]["spec"])
        else:
            try:
                return await ensure_async(self._specs.get_kernel_spec(kernelspec))
            except (NoSuchKernel, KeyError):
                known = await ensure_async(self._specs.get_all_specs())
        names = sorted(known)
        raise NoKernelspec(
            f"No kernelspec named {kernelspec!r}. Available: {', '.join(names) or 'none'}.",
            kernelspecs=names,
        )

    def _checked_cwd(self, cwd: str) -> str:
        if not self.remote and not os.path.isdir(cwd):
            raise BadRequest(f"cwd: No folder {cwd} on this server.", field="cwd")
        return cwd

    def _checked_path(self, path: str) -> str:
        if ".." in path.split("/"):
            raise BadRequest("path: Must stay below the server's root.", field="path")
        root = getattr(self.manager, "root_dir", None)
        if not self.remote and root and not os.path.exists(os.path.join(root, path.strip("/"))):
            raise BadRequest(f"path: No file or folder {path} on this server.", field="path")
        return path

    def _is_local(self, spec: Any) -> bool:
        """Tell whether jupyter_client itself starts the process, and so accepts a stderr."""
        metadata = getattr(spec, "metadata", None) or {}
        name = metadata.get("kernel_provisioner", {}).get("provisioner_name", "local-provisioner")
        return not self.remote and name == "local-provisioner"

    def is_outside(self, path: str) -> bool:
        """Tell whether links in `path`, below the server's root, lead out of it; blocks."""
        root = getattr(self.manager, "root_dir", None)
        if self.remote or not root:
            return False
        top = os.path.realpath(root)
        target = os.path.realpath(os.path.join(top, path.strip("/")))
        return bool(os.path.commonpath((top, target)) != top)

    async def fail_if_dead(self, kernel_id: str, kernelspec: str) -> None:
        """Raise StartFailed, and clean up, if a new kernel is already dead."""
        manager = self.get(kernel_id)
        if await ensure_async(manager.is_alive()):
            return
        code = exit_code(manager)
        stderr = self._stderr[kernel_id].lines()[-QUOTE:] if kernel_id in self._stderr else []
        with contextlib.suppress(NotFound):  # already removed
            await self.stop(kernel_id, now=True)
        last = next((line for line in reversed(stderr) if line.strip()), "")
        lost = any(PORT_TAKEN in line for line in stderr)
        raise (PortTaken if lost else StartFailed)(
            f"The kernel {kernelspec!r} ended as it started"
            + (f", with exit code {code}" if code is not None else "")
            + (f": {last}" if last else "."),
            stderr=stderr,
            exit_code=code,
        )

    # -- running -------------------------------------------------------------------------------

    async def stop(self, kernel_id: str, *, now: bool = False) -> None:
        manager = self.get(kernel_id)
        if not self.remote:  # the host's gateway kernels never become ready
            await _settled(manager)
        if kernel_id in self.manager:
            await _translated(self.manager.shutdown_kernel(kernel_id, now=now), "shut down")
        self.forget(kernel_id)

    async def interrupt(self, kernel_id: str) -> None:
        await self._wait_until_settled(kernel_id)
        await _translated(self.manager.interrupt_kernel(kernel_id), "interrupt")

    async def restart(self, kernel_id: str) -> None:
        """Restart, and wait until the kernel has answered the host."""
        await self._wait_until_settled(kernel_id)
        answered = await _translated(self.manager.restart_kernel(kernel_id), "restart")
        if asyncio.isfuture(answered):  # the host leaves the wait to its caller
            await _translated(answered, "restart")

    async def _wait_until_settled(self, kernel_id: str) -> None:
        """Wait until the kernel neither starts nor restarts; Busy if that takes too long.

        The host fails with an internal error on two such actions at once.
        """
        manager = self.get(kernel_id)
        if self.remote:
            return
        if not await _settled(manager):
            raise Busy("The kernel is still starting or restarting. Try again later.")
        self.get(kernel_id)  # NotFound if shut down meanwhile

    def forget(self, kernel_id: str) -> None:
        """Release the resources of a kernel that is gone; twice is fine."""
        self._names.pop(kernel_id, None)
        stderr = self._stderr.pop(kernel_id, None)
        if stderr is not None:
            stderr.close()

    def forget_gone(self) -> None:
        """Forget the kernels that the host has removed."""
        for kernel_id in {*self._names, *self._stderr}:
            if kernel_id not in self.manager:
                self.forget(kernel_id)

    def close(self) -> None:
        for kernel_id in list(self._stderr):
            self.forget(kernel_id)

    async def ask(self, kernel_id: str) -> None:
        """Request kernel_info, so that the host gets messages from the kernel."""
        manager = self.get(kernel_id)
        answered = asyncio.Event()
        line = manager.connect_shell()
        try:
            line.on_recv(lambda parts: answered.set())
            manager.session.send(line, "kernel_info_request")
            await within(ASK_TIME, answered.wait())
        finally:
            line.close(linger=0)

    # -- the host's hooks ----------------------------------------------------------------------

    def is_busy(self, kernel_id: str) -> bool:
        if kernel_id not in self.manager:
            return False
        return getattr(self.manager.get_kernel(kernel_id), "execution_state", None) == "busy"

    def ports(self, kernel_id: str) -> object:
        """Return the kernel's ports; they change when it has moved."""
        return getattr(self.manager.get_kernel(kernel_id), "ports", None)

    def count_clients(self, kernel_id: str, change: int) -> None:
        """Add `change` to the host's number of clients, which its culler uses."""
        notify = self.manager.notify_connect if change > 0 else self.manager.notify_disconnect
        notify(kernel_id)

    def watch(
        self, kernel_id: str, on_restart: Callable[[], None], on_dead: Callable[[], None]
    ) -> Callable[[], None]:
        """Call back when the host restarts a kernel that died, or gives it up."""
        manager = self.get(kernel_id)
        manager.add_restart_callback(on_restart, "restart")
        manager.add_restart_callback(on_dead, "dead")

        def stop() -> None:
            manager.remove_restart_callback(on_restart, "restart")
            manager.remove_restart_callback(on_dead, "dead")

        return stop


def _checked_env(env: dict[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise BadRequest(f"env: {name!r} cannot be set.", field="env")
    return env


def exit_code(manager: Any) -> int | None:
    """Return the exit code of a kernel's ended process (negative: the signal), if known."""
    process = getattr(getattr(manager, "provisioner", None), "process", None)
    code = process.poll() if process is not None else None
    return code if isinstance(code, int) else None


async def _settled(manager: Any) -> bool:
    """Wait until no start or restart is under way; False after SETTLE_TIME.

    The loop is needed because a restart is a shutdown and a start, each with its own future, and
    because another waiter may begin the next restart.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_TIME
    while not (ready := manager.ready).done():
        waiting = ready if asyncio.isfuture(ready) else asyncio.wrap_future(ready)
        done, _ = await asyncio.wait({waiting}, timeout=deadline - loop.time())
        if not done:
            return False
    return True


def _start_failed(kernelspec: str, error: Exception) -> Problem:
    reason = _message_of(error) if isinstance(error, HTTPError) else str(error)
    return StartFailed(f"The kernel {kernelspec!r} could not be started: {reason}", stderr=[])


def _message_of(error: HTTPError) -> str:
    """Return the formatted message of an HTTPError."""
    message = error.log_message or error.reason or "no reason given"
    return str(message % error.args) if error.args else str(message)


async def _translated(outcome: Any, what: str) -> Any:
    """Await an action of the host, and raise its errors as Problems."""
    try:
        return await ensure_async(outcome)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise Timeout(f"The kernel did not {what} in time.") from error
    except HTTPError as error:
        if error.status_code == 404:
            raise NotFound(_message_of(error)) from error
        raise StartFailed(f"The kernel did not {what}: {_message_of(error)}") from error
    except RuntimeError as error:
        raise StartFailed(f"The kernel did not {what}: {error}") from error
