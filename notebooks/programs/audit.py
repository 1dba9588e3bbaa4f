"""A chain of hashes over the events of a store, for whoever has to audit it.

Each hash is made from an event and from the hash before it. The hashes lie in the same file.
"""

import hashlib
import json
import sqlite3

from . import accounts

TABLE = "CREATE TABLE IF NOT EXISTS hashes (position INTEGER PRIMARY KEY, hash TEXT NOT NULL)"


def link(last_hash: str, event: tuple) -> str:
    """The hash of an event, as a row of the table, and of all events before it."""
    return hashlib.sha256(json.dumps([last_hash, *event]).encode()).hexdigest()


def extend(db: sqlite3.Connection) -> tuple[int, str]:
    """Give a hash to each event that has none yet; returns the last position and its hash."""
    db.execute(TABLE)
    db.execute("BEGIN IMMEDIATE")  # from here on nobody else extends it
    ask = "SELECT position, hash FROM hashes ORDER BY position DESC LIMIT 1"
    position, last = db.execute(ask).fetchone() or (0, "")
    for event in _events(db, after=position):
        position, last = event[0], link(last, event)
        db.execute("INSERT INTO hashes VALUES (?, ?)", [position, last])
    db.execute("COMMIT")
    return position, last


def is_whole(db: sqlite3.Connection) -> bool:
    """Do the events make the hashes that lie beside them?"""
    found, last = [], ""
    for event in _events(db):
        last = link(last, event)
        found.append((event[0], last))
    return found == _hashes(db)


def replays(db: sqlite3.Connection, stream: str) -> bool:
    """Can all events of a stream be read, and is each version there?"""
    try:
        versions = [event.version for event in accounts.read(db, stream)]
    except json.JSONDecodeError:
        return False
    return versions == list(range(1, len(versions) + 1))


def has(db: sqlite3.Connection, noted: tuple[int, str]) -> bool:
    """Is this hash, which was noted elsewhere with its position, among those beside the events?"""
    return noted in _hashes(db)


def _events(db: sqlite3.Connection, after: int = 0) -> list[tuple]:
    return db.execute(
        "SELECT * FROM events WHERE position > ? ORDER BY position", [after]
    ).fetchall()


def _hashes(db: sqlite3.Connection) -> list[tuple[int, str]]:
    return db.execute("SELECT position, hash FROM hashes ORDER BY position").fetchall()
