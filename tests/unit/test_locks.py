"""Locks on files: one holder, an end to waiting, and words for a disk that has none."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from helpers.brokers import BrokerError, locks

HOLD = """
import sys, time
from pathlib import Path
from helpers.brokers import locks
with locks.held(Path(sys.argv[1]), "Waiting"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_has_one_holder_and_goes_with_it(tmp_path):
    path = tmp_path / "deeper" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BrokerError, match=f"process {holder.pid} still has it after 0 s"):
            with locks.held(path, "Waiting", timeout=0.1):
                pass
        holder.kill()
    with locks.held(path, "Waiting", timeout=5):
        assert path.read_text() == str(os.getpid())


def test_shared_locks_keep_only_an_exclusive_one_out(tmp_path):
    path = tmp_path / "lock"
    with path.open("a+") as one, path.open("a+") as two, path.open("a+") as three:
        assert locks.try_lock(one, path, shared=True)
        assert locks.try_lock(two, path, shared=True)
        assert not locks.try_lock(three, path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_disk_without_locks_is_named_with_the_variable(tmp_path, monkeypatch, number):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "lock"
    with pytest.raises(locks.LockError, match="BREAKING_BROKERS_CACHE") as caught:
        with locks.held(path, "Waiting"):
            pass
    assert str(path) in str(caught.value)
    assert os.strerror(number) in str(caught.value)
