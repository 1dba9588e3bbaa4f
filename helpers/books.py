"""Books of a service on trial: an SQLite database, as somebody sees it who reads in it or holds it up."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from .waiting import WaitTimeout, wait_until

PENDING = 0x40000000  # the byte of a SQLite file that who waits with a commit has locked
LOOK = "SELECT count(*) FROM sqlite_master"
PATIENCE = 20.0  # seconds for which a lock is awaited


class Books:
    """A database that a service of the system writes, or is going to write."""

    def __init__(self, file: Path) -> None:
        """``file`` may be missing yet."""
        self.file = file

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers; nothing, if it can't, or has no such table."""
        with suppress(sqlite3.Error):
            return self.ask(query)
        return []

    def ask(self, query: str, timeout: float = 5.0) -> list[tuple[Any, ...]]:
        """What the database answers within ``timeout`` seconds.

        Raises:
            sqlite3.Error: it doesn't, as while somebody else has locked it.
        """
        with closing(self._opened(timeout)) as database:
            return database.execute(query).fetchall()

    def tables(self) -> set[str]:
        """The names of its tables."""
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master")}

    def everything(self) -> str:
        """All that stands in it, as SQL; nothing, if it can't be read."""
        with suppress(sqlite3.Error), closing(self._opened(5.0)) as database:
            return "\n".join(database.iterdump())
        return ""

    @contextmanager
    def locked(self, timeout: float = PATIENCE) -> Iterator[None]:
        """Nobody else can write into it meanwhile.

        Raises:
            sqlite3.OperationalError: it was not to be had within ``timeout`` seconds.
        """
        self.file.touch()
        with closing(self._opened(timeout)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def audit(self) -> Iterator[None]:
        """Read in it: meanwhile the service can write, but no commit comes to its end."""
        self.file.touch()
        with closing(self._opened()) as reader:
            reader.execute("BEGIN")
            read = lambda: reader.execute(LOOK).fetchone()  # noqa: E731
            with suppress(WaitTimeout):
                wait_until(read, "the books", every=0, tolerate=(sqlite3.OperationalError,))
            yield

    def has_write_ahead_log(self) -> bool:
        """With SQLite's WAL no commit waits for an audit (https://www.sqlite.org/wal.html)."""
        return self.rows("PRAGMA journal_mode") == [("wal",)]

    def has_writer_waiting(self) -> bool:
        """Does a commit wait for the end of an audit? Then it holds SQLite's pending lock."""
        try:
            fcntl.lockf(self._bytes, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, PENDING)
        except BlockingIOError:
            return True
        fcntl.lockf(self._bytes, fcntl.LOCK_UN, 1, PENDING)
        return False

    @cached_property
    def _bytes(self) -> BinaryIO:
        return self.file.open("rb")  # an audit of ours would end if this was closed

    def _opened(self, timeout: float = 0.0) -> sqlite3.Connection:
        uri = f"{self.file.as_uri()}?mode=rw"
        return sqlite3.connect(uri, timeout=timeout, isolation_level=None, uri=True)
