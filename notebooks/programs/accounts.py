"""The accounts of the shop's customers, kept as events: a store in a file, and the rules of an account.

An event has two places: its version in its own stream, the story of one account, and its position among
all events. Amounts are whole cents.
"""

import functools
import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

TABLE = """CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, version INTEGER NOT NULL,
    kind TEXT NOT NULL, data TEXT NOT NULL, at INTEGER NOT NULL, UNIQUE (stream, version))"""


class Event(NamedTuple):
    """What happened; `at` is when it happened, in milliseconds since 1970."""

    position: int
    stream: str
    version: int
    kind: str
    data: dict[str, Any]
    at: int


class Conflict(Exception):  # noqa: N818 (the field's word)
    """The stream is not at the version that the writer knows."""


class RefusedError(Exception):
    """The rules of an account don't allow it."""


# -- the store -------------------------------------------------------------------------------


def connect(path: str) -> sqlite3.Connection:
    """Open a store; COMMIT waits for the disk."""
    db = sqlite3.connect(path, timeout=60, isolation_level=None)  # BEGIN and COMMIT are ours
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(TABLE)
    return db


def append(
    db: sqlite3.Connection, stream: str, events: Sequence[tuple], expected: int | None = None
) -> int:
    """Append events (kind, data, at), all or none, if the stream is at the expected version."""
    db.execute("BEGIN IMMEDIATE")  # one writer at a time
    try:
        ask = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
        [found] = db.execute(ask, [stream]).fetchone()
        if expected is not None and expected != found:
            raise Conflict(f"{stream} is at version {found}, not {expected}")
        for version, (kind, data, at) in enumerate(events, found + 1):
            row = [stream, version, kind, json.dumps(data), at]
            db.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?)", row)
        db.execute("COMMIT")
        return found + len(events)  # the stream's new version
    except BaseException:
        db.execute("ROLLBACK")
        raise


def read(db: sqlite3.Connection, stream: str | None = None, after: int = 0) -> list[Event]:
    """The events of one stream after a version; without a stream, of all after a position."""
    where = "position > ?" if stream is None else "version > ? AND stream = ?"
    values = [after] if stream is None else [after, stream]
    rows = db.execute(f"SELECT * FROM events WHERE {where} ORDER BY position", values)
    return [Event(*row)._replace(data=json.loads(row[4])) for row in rows]


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


# -- the rules of an account -----------------------------------------------------------------


def evolve(balance: int, event: Event) -> int:
    """The balance after an event."""
    sign = {"opened": 1, "deposited": 1, "withdrawn": -1, "fee": -1}[event.kind]
    return balance + sign * event.data["cents"]


def decide(kind: str, cents: int, balance: int) -> list[tuple[str, dict[str, Any]]]:
    """The events that a command leads to, given the balance; or it is refused."""
    if type(cents) is not int or cents <= 0:
        raise RefusedError(f"{cents!r} is no amount")
    if kind == "withdraw" and cents > balance:
        raise RefusedError("insufficient funds")
    happened = {"open": "opened", "deposit": "deposited", "withdraw": "withdrawn", "charge": "fee"}
    return [(happened[kind], {"cents": cents})]


def balance(events: Iterable[Event]) -> int:
    """The state of an account: its events, one after the other."""
    return functools.reduce(evolve, events, 0)


def handle(
    db: sqlite3.Connection, account: str, kind: str, cents: int, at: int | None = None
) -> int:
    """Read the account, decide, and append with the version that the decision was based on."""
    history = read(db, account)
    events = [(*event, at or now()) for event in decide(kind, cents, balance(history))]
    return append(db, account, events, expected=len(history))
