"""Locks on files. One dies with the process that holds it, so none is ever stale."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from .. import settings
from ..waiting import WaitTimeout, wait_until
from .errors import BrokerError
from .progress_line import Progress


class LockError(OSError):
    """A disk can't lock files; the text says which, and the variable that names another."""


def try_lock(file: IO[str], path: Path, shared: bool = False) -> bool:
    """Lock an open file without waiting; False if somebody else has it.

    ``shared`` lets others have it too that also want it shared.

    Raises:
        LockError: the disk that holds ``path`` has no locks, as a network disk may.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LockError(
            f"The disk that holds {path} refuses to lock files ({error.strerror}), as network disks "
            "may. Set BREAKING_BROKERS_CACHE to a directory on a disk of this machine."
        ) from error
    return True


def wait_for(file: IO[str], path: Path, waiting_for: str, timeout: float) -> None:
    """Lock an open file, which holds the pid of who has it, saying so after two seconds.

    Args:
        waiting_for: a sentence without a full stop, for the line of progress and the error.
        timeout: seconds.

    Raises:
        BrokerError: somebody else held it for all of ``timeout`` seconds.
        LockError: the disk has no locks.
    """
    try:
        with Progress(waiting_for):
            wait_until(lambda: try_lock(file, path), f"the lock {path.name}", timeout)
    except WaitTimeout as error:
        file.seek(0)
        raise BrokerError(
            f"{waiting_for}: process {file.read().strip() or 'unknown'} still has it after "
            f"{timeout:.0f} s. Shut that kernel or command down, and run this again."
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


@contextmanager
def held(path: Path, waiting_for: str, timeout: float = 180.0) -> Iterator[None]:
    """Hold the lock on a file, which is made if it is missing. Raises what ``wait_for`` raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        os.set_inheritable(file.fileno(), True)  # for a child that outlives this process
        wait_for(file, path, waiting_for, timeout)
        yield


def installing() -> AbstractContextManager[None]:
    """Hold the lock under which something is put into the cache: one installation at a time."""
    waiting = "Waiting for another installation to end"
    return held(settings.cache_dir() / "install.lock", waiting, timeout=1800)
