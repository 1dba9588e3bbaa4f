"""How far the migration is: a small database, which the operator writes and every service reads."""

import sqlite3

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
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS migration
        (one INTEGER PRIMARY KEY CHECK (one = 1), step INTEGER, goal INTEGER);
    INSERT OR IGNORE INTO migration VALUES (1, 0, 0);
"""


def role_of(service, step):
    """What a service does at a step."""
    if service == "relay":
        return "rabbitmq" if step < 4 else "kafka"
    if service == "bridge_to_kafka":
        return "work" if 1 <= step < 4 else "rest"
    if service == "bridge_to_rabbitmq":
        return "work" if step == 4 else "rest"
    if service == "old_consumer":
        return "work" if step < 3 else "rest"
    return "book" if step >= 3 else "shadow" if step == 2 else "rest"


class State:
    """The database of the step."""

    def __init__(self, folder):
        self._database = sqlite3.connect(f"{folder}/migration.db", timeout=60, isolation_level=None)
        self._database.executescript(TABLES)

    def step(self):
        """Where the migration is."""
        return self._database.execute("SELECT step FROM migration").fetchone()[0]

    def obey(self, service):
        """The role of a service."""
        return role_of(service, self.step())

    def arrive(self, step):
        """The operator is there."""
        self._database.execute("UPDATE migration SET step = ?, goal = ?", [step, step])
