"""The ledger, and its shadow: each order's entries in their order, each message once.

The message's id is the inbox: a row that is there already is left alone, whoever brings it again.
"""

import json
import sqlite3

FIELDS = {"order": int, "entry": int, "cents": int}
MOST = 10**9  # of a number: ten million in cents
COLUMNS = "message_id, order_id, entry, cents, booked_by"
TABLES = "".join(
    f"""CREATE TABLE IF NOT EXISTS {table} (position INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT, order_id INTEGER, entry INTEGER, cents INTEGER, booked_by TEXT,
        UNIQUE (message_id));"""
    for table in ("ledger", "shadow")
)


class BadMessageError(Exception):
    """A message that can never be booked."""


def connect(folder):
    """The database. `with database:` is a transaction."""
    database = sqlite3.connect(f"{folder}/ledger.db", timeout=60)
    database.executescript(TABLES)
    return database


def read(message):
    """The order, the entry's number and the cents in a message.

    Raises:
        BadMessageError: it has no id, or is no entry, or one that can't be.
    """
    if not message.id:
        raise BadMessageError("no message id: nobody could tell whether it was booked")
    try:
        said = json.loads(message.body)
        row = [said[field] for field in FIELDS]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadMessageError(f"no entry: {error!r}") from error
    wrong = [n for n, value in zip(FIELDS, row, strict=True) if type(value) is not FIELDS[n]]
    wrong = wrong or [n for n, value in zip(FIELDS, row, strict=True) if not 0 < value <= MOST]
    if wrong:
        raise BadMessageError(f"an entry that can't be: see {', '.join(wrong)}")
    return row


def book(database, table, message, by):
    """Book a message, unless that is done.

    Raises:
        BadMessageError: it can't be booked.
    """
    row = [message.id, *read(message), by]
    with database:
        database.execute(f"INSERT OR IGNORE INTO {table} ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)


def copy(database, source, target):
    """Whatever the source has and the target has not, in the source's order."""
    with database:
        database.execute(
            f"""INSERT OR IGNORE INTO {target} ({COLUMNS})
                SELECT {COLUMNS} FROM {source} ORDER BY position"""
        )


def entries(database, table):
    """What was booked, order by order: ids, numbers and cents, in the order of booking."""
    find = f"SELECT order_id, message_id, entry, cents FROM {table} ORDER BY position"
    found = {}
    for order, *entry in database.execute(find):
        found.setdefault(order, []).append(entry)
    return found
