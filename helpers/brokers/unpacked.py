"""Debian's packages in the cache: each fetched and unpacked once, without root, by one run at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

from .. import settings
from . import debian, locks
from .progress_line import Progress


def root(package: str) -> Path:
    """Where it is unpacked: the directory that has ``usr/``."""
    return settings.cache_dir() / package / "root"


def there(package: str) -> bool:
    """Is all of it in the cache?"""
    return _complete(package).is_file()


def obtain(package: str, called: str) -> None:
    """Have it in the cache.

    Args:
        called: what people call it, for the progress line.

    Raises:
        AptError: this is not Debian or Ubuntu, or it could not be fetched.
        LockError: another installation does not end.
    """
    with locks.installing():
        if there(package):
            return
        shutil.rmtree(root(package).parent, ignore_errors=True)
        if not debian.available():
            raise debian.AptError("Only Debian's and Ubuntu's package is unpacked by the course.")
        fetching = f"Fetching {called}"
        with Progress(fetching) as progress:
            say = lambda what: progress.update(f"{fetching}: {what}")  # noqa: E731
            debian.unpack(package, root(package), say)
        _complete(package).touch()


def _complete(package: str) -> Path:
    return root(package).with_name("complete")
