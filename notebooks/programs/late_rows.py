"""Three ways for a relay to find what is new in a table of PostgreSQL, and a row that is committed late.

`sent` is what a relay has sent: each position, and its event.
"""

from collections.abc import Callable

import psycopg

TABLES = """
    DROP TABLE IF EXISTS feed, reports;
    CREATE TABLE reports (day int);
    CREATE TABLE feed (position bigserial, event text, sent bool DEFAULT false,
                       writer xid8 DEFAULT pg_current_xact_id())
"""


def last_position(feed, sent):
    """What is behind the last position that was sent."""
    query = "SELECT position, event FROM feed WHERE position > %s ORDER BY position"
    return feed.execute(query, [max(sent, default=0)]).fetchall()


def marks(feed, sent):
    """What has no mark; before that, mark what has been sent by now."""
    feed.execute("UPDATE feed SET sent = true WHERE position = ANY(%s)", [list(sent)])
    query = "SELECT position, event FROM feed WHERE NOT sent ORDER BY position"
    return feed.execute(query).fetchall()


def horizon(feed, sent):
    """What was written by transactions before the oldest that is open; without those sent."""
    query = """
        SELECT position, event FROM feed WHERE writer < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY writer, position OFFSET %s
    """
    return feed.execute(query, [len(sent)]).fetchall()


def write(writer, event, in_turn):
    """Write an event; in turn: nobody else writes until this transaction has ended."""
    if in_turn:
        writer.execute("SELECT pg_advisory_xact_lock(1)")
    writer.execute("INSERT INTO feed (event) VALUES (%s)", [event])


def three_events(url: str, read: Callable, in_turn: bool = False) -> dict[str, int]:
    """A slow writer, a quick one, and a stranger; the relay looks after each step."""
    feed, slow, quick, stranger = (psycopg.connect(url, autocommit=True) for _ in range(4))
    feed.execute(TABLES)
    quick.execute("SET lock_timeout = '0.2s'")
    sent, waits = {}, False
    with slow.transaction():
        write(slow, "first", in_turn)
        try:
            with quick.transaction():
                write(quick, "second", in_turn)
        except psycopg.errors.LockNotAvailable:
            waits = True
        sent.update(read(feed, sent))
    if waits:
        with quick.transaction():
            write(quick, "second", in_turn)
    sent.update(read(feed, sent))
    with stranger.transaction():
        stranger.execute("INSERT INTO reports VALUES (1)")
        with quick.transaction():
            write(quick, "third", in_turn)
        sent.update(read(feed, sent))
        held_up = "third" not in sent.values()
    sent.update(read(feed, sent))
    for connection in (feed, slow, quick, stranger):
        connection.close()
    found = {"missing": 3 - len(sent), "overtaken": int(list(sent) != sorted(sent))}
    return found | {"third held up": int(held_up), "writer waits": int(waits)}
