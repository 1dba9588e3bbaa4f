"""The database: results, and what is needed to go on with them after a crash, side by side.

A batch of records from one partition is one transaction: what follows from them, and the position of
the next record. So whatever happens, the two say the same.
"""

import sqlite3
from collections import Counter

from clicks import BadClickError, read

GAP = 30 * 60_000  # milliseconds without a click end a session
WINDOW = 10 * 60_000  # milliseconds for which a page's views are counted together
LATENESS = 10 * 60_000  # milliseconds that a click may be older than the newest before it
SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
TABLES = """
    CREATE TABLE IF NOT EXISTS sessions
        (visitor TEXT, began INTEGER, ended INTEGER, clicks INTEGER, PRIMARY KEY (visitor, began));
    CREATE TABLE IF NOT EXISTS page_views
        (began INTEGER, page TEXT, views INTEGER, PRIMARY KEY (began, page));
    CREATE TABLE IF NOT EXISTS tally (kind TEXT PRIMARY KEY, number INTEGER);
    CREATE TABLE IF NOT EXISTS progress
        (number INTEGER PRIMARY KEY, position INTEGER, newest INTEGER);
    CREATE TABLE IF NOT EXISTS seen
        (number INTEGER, id TEXT, time INTEGER, PRIMARY KEY (number, id));
    CREATE INDEX IF NOT EXISTS seen_by_time ON seen (number, time);
    CREATE TABLE IF NOT EXISTS outbox
        (number INTEGER, position INTEGER, topic TEXT, key BLOB, value BLOB, reason TEXT,
        PRIMARY KEY (number, position));
"""
VIEWED = """INSERT INTO page_views VALUES (?, ?, ?)
    ON CONFLICT (began, page) DO UPDATE SET views = views + excluded.views"""
TALLIED = """INSERT INTO tally VALUES (?, ?)
    ON CONFLICT (kind) DO UPDATE SET number = number + excluded.number"""
NEAR = """SELECT began, ended, clicks FROM sessions
    WHERE visitor = ? AND began <= ? AND ended >= ?"""


class DoneBeforeError(Exception):
    """Records that are done, by us or by another process; ``position`` is where to go on."""

    def __init__(self, position):
        super().__init__(f"done up to {position}")
        self.position = position


def connect(file):
    """The database, with its tables; each transaction is begun by hand."""
    database = sqlite3.connect(file, timeout=60, isolation_level=None)  # seconds for others' writes
    database.executescript(SETTINGS + TABLES)
    return database


def progress(database, number):
    """Of a partition: the next record's position, and the newest time of any click so far."""
    asked = "SELECT position, newest FROM progress WHERE number = ?"
    return database.execute(asked, [number]).fetchone() or (0, 0)


def save(database, number, records):
    """One transaction: what follows from these records of a partition, and how far we are.

    Raises:
        DoneBeforeError: the database is further than where they begin; nothing is written.
    """
    with database:
        database.execute("BEGIN IMMEDIATE")
        position, newest = progress(database, number)
        if position > records[0].offset:
            raise DoneBeforeError(position)
        kinds, views = Counter(), Counter()
        for record in records:
            kind, click, reason = judge(database, number, record, newest)
            kinds[kind] += 1
            if click:
                newest = max(newest, click["time"])
            if kind == "counted":
                views[click["time"] // WINDOW * WINDOW, click["page"]] += 1
                extend_session(database, click["visitor"], click["time"])
            elif reason:
                row = [number, record.offset, kind, record.key, record.value, reason]
                database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)", row)
        database.executemany(VIEWED, [(*place, some) for place, some in views.items()])
        database.executemany(TALLIED, kinds.items())
        forget = "DELETE FROM seen WHERE number = ? AND time < ?"
        database.execute(forget, [number, newest - LATENESS])
        row = [number, records[-1].offset + 1, newest]
        database.execute("REPLACE INTO progress VALUES (?, ?, ?)", row)


def judge(database, number, record, newest):
    """Is a record to be counted, or is it refused, late or repeated? With the click, and with a reason
    for what has to be put aside.

    The newest click so far, less what is allowed, is the watermark. Whatever is older is late, so an id
    that is older need not be remembered.
    """
    try:
        click = read(record)
    except BadClickError as error:
        return "refused", None, str(error)
    behind = newest - click["time"]
    if behind > LATENESS:
        return "late", click, f"{behind // 1000} seconds older than the newest click before it"
    noted = database.execute(
        "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", [number, click["id"], click["time"]]
    )
    return ("counted" if noted.rowcount else "repeated"), click, None


def extend_session(database, visitor, time):
    """Add a click to its session; it may begin one, or join two that were apart until now."""
    near = database.execute(NEAR, [visitor, time + GAP, time - GAP]).fetchall()
    gone = [(visitor, began) for began, _, _ in near]
    database.executemany("DELETE FROM sessions WHERE visitor = ? AND began = ?", gone)
    began = min([time, *(began for began, _, _ in near)])
    ended = max([time, *(ended for _, ended, _ in near)])
    clicks = 1 + sum(clicks for _, _, clicks in near)
    database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", [visitor, began, ended, clicks])
