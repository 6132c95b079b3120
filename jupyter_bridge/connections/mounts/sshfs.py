"""The sshfs process of one mount: its arguments, its configuration without secrets, its end.

ssh reads only a configuration file written here, neither the user's nor the system's, so that no
option of a request reaches it. The host's address was checked before, its key is the only one in
the known_hosts file, and the password is passed by stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.roles import Sshfs
from jupyter_bridge.private_files import open_private, open_regular, private_folder
from jupyter_bridge.problems import BadRequest, Denied, Problem, RemoteFailed, Timeout, Unavailable

# Connecting, the key exchange and a slow PAM take up to 10 s together. Seconds.
MOUNT_SECONDS = 30.0
# fusermount3 answers at once unless the kernel itself hangs. Seconds.
UNMOUNT_SECONDS = 10.0
# How long sshfs may take to end after the unmount. Seconds.
END_SECONDS = 2.0
# How much of its messages is read, bytes: the first one says why it failed.
MAX_LOG = 64 << 10
_PACKAGES = "install Debian's sshfs and fuse3 on the Jupyter host"
# Not an option ("-o…"), and without a user, port or path.
_HOST = re.compile(r"[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]*")
_USER = re.compile(r"[A-Za-z0-9_?$][^\s@:/\"'\\\x00-\x1f]*")


def available() -> str | None:
    """Return why this machine cannot mount; None if it can."""
    for program in ("sshfs", "fusermount3"):
        if shutil.which(program) is None:
            return f"{program} is not there: {_PACKAGES}."
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be used: the container or the host does not allow FUSE."
    return None


def check(what: Sshfs) -> None:
    """Raise BadRequest if sshfs or ssh could misread a part."""
    if not _HOST.fullmatch(what.host):
        raise BadRequest(f"{what.host!r} is not a host name or an address.", field="url")
    if not _USER.fullmatch(what.user):
        raise BadRequest(f"{what.user!r} is not a user name.", field="username")
    if re.search(r"[\x00-\x1f]", what.path + (what.password or "") + (what.key_file or "")):
        raise BadRequest("A path or password with a control character cannot be used for a mount.")


def write_config(folder: Path, name: str, what: Sshfs, address: str) -> Path:
    """Write the configuration (0600) and the known hosts; return its path. Blocks."""
    private_folder(folder)
    hosts = folder / f"{name}.known_hosts"
    lines = {
        "HostName": address,
        "Port": str(what.port),
        "User": _quoted(what.user),
        "UserKnownHostsFile": _quoted(str(hosts)),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        # The known_hosts file has the host's name, not its address.
        "HostKeyAlias": what.host if what.port == 22 else f"[{what.host}]:{what.port}",
        "NumberOfPasswordPrompts": "1",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
    }
    if what.password is not None:
        lines["PubkeyAuthentication"] = "no"
        lines["PreferredAuthentications"] = "password,keyboard-interactive"
    else:
        lines["BatchMode"] = "yes"
    if what.key_file is not None:
        lines["IdentityFile"] = _quoted(what.key_file)
        lines["IdentitiesOnly"] = "yes"
        lines["IdentityAgent"] = "none"
    _write(hosts, "".join(f"{line}\n" for line in what.known_hosts))
    config = folder / f"{name}.ssh_config"
    _write(config, "".join(f"{key} {value}\n" for key, value in lines.items()))
    return config


def _quoted(value: str) -> str:
    # ssh_config(5): spaces need double quotes; a percent sign begins a token.
    if '"' in value:
        raise BadRequest(f"{value!r} has a quotation mark, which ssh cannot be given.")
    return '"' + value.replace("%", "%%") + '"'


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(open_private(path, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(text)


def read_log(log_file: Path) -> str:
    """Return the messages of sshfs that `start` sent to this file. Raises OSError."""
    with open_regular(log_file) as file:
        return file.read(MAX_LOG).decode(errors="replace")


async def start(
    config: Path, what: Sshfs, mountpoint: str, log_file: Path
) -> asyncio.subprocess.Process:
    """Start sshfs in the foreground, in a session of its own; its messages go to `log_file`."""
    host = f"[{what.host}]" if ":" in what.host else what.host
    options = ["reconnect", "idmap=user", "transform_symlinks"]
    if what.password is not None:
        options.append("password_stdin")
    keep = ["PATH", "HOME", "LANG", "TMPDIR"]
    if what.password is None and what.key_file is None:
        keep.append("SSH_AUTH_SOCK")
    output = open_private(log_file, os.O_WRONLY | os.O_TRUNC)
    try:
        process = await asyncio.create_subprocess_exec(
            *("sshfs", "-f", "-F", str(config), "-o", ",".join(options)),
            *(f"{what.user}@{host}:{what.path}", mountpoint),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={key: os.environ[key] for key in keep if key in os.environ},
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"sshfs does not start ({error.strerror}): {_PACKAGES}.") from error
    finally:
        os.close(output)
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it has ended already, and its last words say why
        process.stdin.write((what.password or "").encode() + b"\n")
        await process.stdin.drain()
    process.stdin.close()
    return process


def failure(output: str, where: str) -> Problem:
    """Return the Problem of an sshfs that ended before it mounted, from its messages."""
    quoted = " ".join(output.split())[-500:]
    if "Host key verification failed" in output or "IDENTIFICATION HAS CHANGED" in output:
        return Denied(f"{where} shows a host key that was not accepted. Log in again to see it.")
    if "Permission denied" in output:
        return Denied(f"{where} does not take this username and password or key.")
    if any(
        sign in output for sign in ("Connection refused", "timed out", "No route", "unreachable")
    ):
        return Unavailable(f"{where} cannot be reached: {quoted}")
    if "No such file" in output:
        return RemoteFailed(f"The folder to mount is not on {where}.")
    return RemoteFailed(f"sshfs could not mount {where}: {quoted or 'it did not say why'}")


async def unmount(mountpoint: str, *, lazy: bool) -> str | None:
    """Unmount this mountpoint; return None, or the message of fusermount3.

    `lazy` removes it from the tree at once; it ends when no program uses it any more.
    """
    process = await asyncio.create_subprocess_exec(
        *("fusermount3", "-uz" if lazy else "-u", "--", mountpoint),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, output = await within(UNMOUNT_SECONDS, process.communicate())
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise Timeout(f"{mountpoint} was not unmounted in {UNMOUNT_SECONDS:g} s.") from None
    return None if process.returncode == 0 else output.decode(errors="replace").strip()


def is_ours(pid: int, config: Path) -> bool:
    """Tell whether process `pid` is the sshfs that was started with this configuration."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.path.basename(arguments[0]) == b"sshfs" and os.fsencode(config) in arguments


def orphans(folder: Path) -> list[tuple[int, Path]]:
    """Return the sshfs processes with a configuration in `folder`. Blocks briefly."""
    configs = list(folder.glob("*.ssh_config"))
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")] if configs else []
    return [(pid, config) for pid in pids for config in configs if is_ours(pid, config)]


async def end(
    pid: int,
    config: Path,
    process: asyncio.subprocess.Process | None,
    patience: float = END_SECONDS,
) -> None:
    """Wait until sshfs has ended, as it does after the unmount; kill it if it does not."""
    for sign, wait in ((None, patience), (signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 1.0)):
        if sign is not None and is_ours(pid, config):
            with contextlib.suppress(ProcessLookupError):
                # Its session holds only sshfs and the ssh that it started.
                os.killpg(pid, sign)
        if process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await within(wait, process.wait())
                return
        deadline = asyncio.get_running_loop().time() + wait
        while is_ours(pid, config):
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(0.05)
        else:
            return
