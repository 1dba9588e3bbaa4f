"""An outbox that a relay follows in the database's log, and somebody who writes a lot beside it."""

from collections.abc import Callable, Iterable

import psycopg

TABLES = """
    CREATE TABLE outbox (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregatetype text,
                         aggregateid text, payload text, position bigserial);
    CREATE TABLE reports (line int)
"""
ROW = "INSERT INTO outbox (aggregatetype, aggregateid, payload) VALUES (%s, %s, %s) RETURNING id"
LINES = 1_200_000  # which PostgreSQL writes into 77 MB of its log


def make_tables(connection: psycopg.Connection) -> None:
    """The outbox, and the stranger's table of reports."""
    connection.execute(TABLES)


def write(writer, topic, event, keep=True):
    """Write an event into the outbox; delete it at once, if it is not to be kept."""
    row = writer.execute(ROW, [topic, "customer-1", event]).fetchone()
    if not keep:
        writer.execute("DELETE FROM outbox WHERE id = %s", row)


def place(
    writer: psycopg.Connection,
    topic: str,
    orders: Iterable[int],
    keep: Callable[[int], bool] = lambda _: False,
) -> None:
    """Place these orders, each in a transaction, and keep some of their rows."""
    for order in orders:
        with writer.transaction():
            write(writer, topic, f"order {order}", keep(order))


def write_report(stranger: psycopg.Connection) -> None:
    """Fill the log with what is no business of the outbox."""
    stranger.execute("INSERT INTO reports SELECT generate_series(1, %s)", [LINES])


def kept_log(connection: psycopg.Connection) -> int:
    """How much of its log PostgreSQL keeps for the one slot there is, in bytes."""
    query = "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots"
    return int(connection.execute(query).fetchone()[0])


def slot_is_lost(connection: psycopg.Connection) -> bool:
    """Has PostgreSQL given the one slot up? It looks at its limit at a checkpoint: here is one."""
    connection.execute("CHECKPOINT")
    [status] = connection.execute("SELECT wal_status FROM pg_replication_slots").fetchone()
    return status == "lost"
