"""The rate of a channel: its workers take turns, with an interval between two of them."""

import sqlite3
import time

TABLE = "CREATE TABLE IF NOT EXISTS slots (name TEXT PRIMARY KEY, next REAL)"
TAKE = """
    INSERT INTO slots VALUES ('slot', :now + :interval)
    ON CONFLICT DO UPDATE SET next = max(next, :now) + :interval
    RETURNING next
"""


class Slots:
    """The moments at which a channel may send. Whoever has taken one, nobody else has it."""

    def __init__(self, file, interval):
        """``file`` is one for all workers of the channel, ``interval`` in seconds."""
        self._database = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._database.execute(TABLE)
        self._interval = interval

    def wait(self):
        """Take the next one, and return when it has come."""
        now = time.time()  # one clock for all; it goes on after the machine was started again
        [[after]] = self._database.execute(
            TAKE, {"now": now, "interval": self._interval}
        ).fetchall()
        time.sleep(max(after - self._interval - now, 0))
