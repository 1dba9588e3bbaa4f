"""How far the migration is: a small database, which the operator writes and every service reads.

While the operator moves from one step to the next, ``goal`` is the step that is to come. A service that
asks what to do is answered, and its answer noted, in one transaction: so the operator knows who still
does what was right before.
"""

import sqlite3
from contextlib import contextmanager

NAMES = [
    "RabbitMQ, as it was",
    "a bridge mirrors RabbitMQ to Kafka",
    "the new consumer books into a shadow",
    "the new consumer books into the ledger",
    "the relay publishes to Kafka",
    "Kafka alone, the queues are gone",
]
LAST = len(NAMES) - 1
TABLES = """
    PRAGMA journal_mode = WAL;  -- who only looks is in nobody's way, even frozen
    CREATE TABLE IF NOT EXISTS migration
        (one INTEGER PRIMARY KEY CHECK (one = 1), step INTEGER, goal INTEGER);
    INSERT OR IGNORE INTO migration VALUES (1, 0, 0);
    CREATE TABLE IF NOT EXISTS roles (service TEXT PRIMARY KEY, role TEXT);
    CREATE TABLE IF NOT EXISTS passed (service TEXT, marker TEXT);
"""


def role_of(service, step, goal):
    """What a service does: at a step, and on the way between two, whichever way that goes."""
    low, high = sorted([step, goal])
    if service == "relay":
        return "rabbitmq" if high < 4 else "kafka" if low >= 4 else "hold"
    if service == "bridge_to_kafka":
        return "work" if high >= 1 and low < 5 else "rest"
    if service == "bridge_to_rabbitmq":
        return "work" if 1 <= high < 5 else "rest"
    if service == "old_consumer":
        return "work" if low < 5 else "rest"
    return "book" if low >= 3 else "shadow" if low == 2 else "rest"


class State:
    """The database of the step, as one service or the operator sees it."""

    def __init__(self, folder):
        self._database = sqlite3.connect(f"{folder}/migration.db", timeout=60, isolation_level=None)
        self._database.executescript(TABLES)

    def read(self):
        """The step, and the goal: the same, unless the operator is on the way."""
        return self._database.execute("SELECT step, goal FROM migration").fetchone()

    def obey(self, service):
        """The role of a service from now on; noted before anybody can change the step."""
        find = "SELECT step, goal, (SELECT role FROM roles WHERE service = ?) FROM migration"
        step, goal, noted = self._database.execute(find, [service]).fetchone()
        if role_of(service, step, goal) == noted:
            return noted
        with self._alone():
            role = role_of(service, *self.read())
            self._database.execute("INSERT OR REPLACE INTO roles VALUES (?, ?)", [service, role])
        return role

    def role(self, service):
        """What a service does now, as it has noted; None before its first word."""
        find = "SELECT role FROM roles WHERE service = ?"
        return (self._database.execute(find, [service]).fetchone() or [None])[0]

    def begin(self, goal):
        """The operator sets out."""
        self._database.execute("UPDATE migration SET goal = ?", [goal])

    def arrive(self, step):
        """The operator is there, or back."""
        self._database.execute("UPDATE migration SET step = ?, goal = ?", [step, step])

    def note_passed(self, service, marker):
        """A service has met a marker: all that was in its queue before, it has dealt with."""
        self._database.execute("INSERT INTO passed VALUES (?, ?)", [service, marker])

    def has_passed(self, service, marker):
        """Has the service met the marker?"""
        find = "SELECT 1 FROM passed WHERE service = ? AND marker = ?"
        return self._database.execute(find, [service, marker]).fetchone() is not None

    @contextmanager
    def _alone(self):
        """A transaction in which nobody else writes, from its beginning."""
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            yield
