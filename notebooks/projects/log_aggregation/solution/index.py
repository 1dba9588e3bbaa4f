"""The index: lines and their words, what could not be read, what is missing, and how far all this is."""

import sqlite3

TABLES = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS lines (number INTEGER PRIMARY KEY, place TEXT UNIQUE,
        service TEXT, time TEXT, level TEXT, message TEXT, error TEXT);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING
        fts5 (message, error, content=lines, content_rowid=number);
    CREATE TRIGGER IF NOT EXISTS with_words AFTER INSERT ON lines BEGIN
        INSERT INTO words (rowid, message, error) VALUES (new.number, new.message, new.error);
    END;
    CREATE TABLE IF NOT EXISTS parked (place TEXT UNIQUE, service TEXT, line TEXT, reason TEXT);
    CREATE TABLE IF NOT EXISTS gaps (partition INTEGER, first INTEGER, next INTEGER);
    CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next INTEGER);
"""


def connect(file):
    """The database, with its tables."""
    database = sqlite3.connect(file, timeout=60)  # seconds, while another process writes
    database.executescript(TABLES)
    return database


def position(database, partition):
    """The offset of the next record."""
    with database:
        database.execute("INSERT OR IGNORE INTO positions VALUES (?, 0)", [partition])
        query = "SELECT next FROM positions WHERE partition = ?"
        return database.execute(query, [partition]).fetchone()[0]


def move(database, partition, before, after):
    """Move on, in the transaction of what follows from it; is nobody else further already?"""
    moved = database.execute(
        "UPDATE positions SET next = ? WHERE partition = ? AND next = ?", [after, partition, before]
    )
    return moved.rowcount == 1


def add(database, place, service, row):
    """A line; one that is there already is left alone."""
    database.execute(
        "INSERT OR IGNORE INTO lines (place, service, time, level, message, error)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [place, service, *row],
    )


def park(database, place, service, line, reason):
    """What could not be read, once."""
    row = [place, service, line, reason]
    database.execute("INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?)", row)


def note_gap(database, partition, first, following):
    """These records were deleted before anybody has read them."""
    database.execute("INSERT INTO gaps VALUES (?, ?, ?)", [partition, first, following])
