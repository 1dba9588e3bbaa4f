"""The grader of the lab on relays tells right answers from wrong ones."""

import contextlib

import psycopg
import pytest

from helpers import pipeline
from tests.exercises.answers import Answers, ignoring, stub

HEAD = """
    SELECT position, order_id, event FROM outbox AS row
    WHERE NOT EXISTS (SELECT FROM outbox AS earlier
                      WHERE earlier.order_id = row.order_id AND earlier.position < row.position)
    ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED
"""
OLDEST = "SELECT position, order_id, event FROM outbox ORDER BY position LIMIT 1 FOR UPDATE"
DELETE = "DELETE FROM outbox WHERE position = %s"


def relay_with(
    query=HEAD,
    when="after",
    turns=10**6,
    body=str,
    held="transaction",
    delete="position = %(position)s",
):
    """An answer that gets right what it is told to."""

    def relay(connection, send):
        def strike_off():
            named = dict(zip(("position", "order", "event"), row, strict=True))
            connection.execute(f"DELETE FROM outbox WHERE {delete}", named)

        for _ in range(turns):
            with connection.transaction(force_rollback=held == "rolled back"):
                row = connection.execute(query).fetchone()
                if row is None:
                    return
                if when == "before":
                    strike_off()
                if held == "transaction" or held == "rolled back":
                    send(row[1], body(row[2]))
                if when == "after":
                    strike_off()
            if held == "nothing":
                send(row[1], body(row[2]))

    return relay


def in_batches(lock):
    """All rows in one transaction, deleted at its end."""

    def relay(connection, send):
        query = f"SELECT position, order_id, event FROM outbox ORDER BY position {lock}"
        with connection.transaction():
            rows = connection.execute(query).fetchall()
            for position, order, event in rows:
                send(order, event)
                connection.execute(DELETE, [position])

    return relay


def deletes_one_by_one(connection, send):
    """No lock; each deletion is committed."""
    query = "SELECT position, order_id, event FROM outbox ORDER BY position"
    for position, order, event in connection.execute(query).fetchall():
        send(order, event)
        connection.execute(DELETE, [position])


def lock_orders(look_again=True, by="order_id", wait=False):
    """Advisory locks in place of the rows' own."""
    one = "pg_advisory_lock(%s)" if wait else "pg_try_advisory_lock(%s)"

    def relay(connection, send):
        rows = connection.execute("SELECT * FROM outbox ORDER BY position").fetchall()
        for order in dict.fromkeys(row[1] for row in rows):
            key = order if by == "order_id" else 1
            [locked] = connection.execute(f"SELECT {one}", [key]).fetchone()
            if locked is False:
                continue
            mine = "SELECT * FROM outbox WHERE order_id = %s ORDER BY position"
            if look_again:
                story = connection.execute(mine, [order]).fetchall()
            else:
                story = [row for row in rows if row[1] == order]
            for position, _, event in story:
                send(order, event)
                connection.execute(DELETE, [position])
            connection.execute("SELECT pg_advisory_unlock(%s)", [key])

    return relay


def in_rounds(connection, send):
    """Right too, and otherwise: one event of each order a round, under a lock that its end frees."""
    lock = "SELECT pg_try_advisory_xact_lock(%s)"
    first = "SELECT position, event FROM outbox WHERE order_id = %s ORDER BY position LIMIT 1"
    sent = True
    while sent:
        sent = False
        for (order,) in connection.execute("SELECT DISTINCT order_id FROM outbox").fetchall():
            with connection.transaction():
                [is_mine] = connection.execute(lock, (order,)).fetchone()
                head = connection.execute(first, (order,)).fetchone() if is_mine else None
                if head is not None:
                    send(order, head[1])
                    connection.execute(DELETE, (head[0],))
                    sent = True


def until_empty(connection, send):
    """Looks again and again, as long as there is a row."""
    while connection.execute("SELECT count(*) FROM outbox").fetchone()[0]:
        relay_with()(connection, send)


def clear_the_table(connection, send):
    query = "SELECT * FROM outbox ORDER BY position"
    for _, order, event in connection.execute(query).fetchall():
        send(order, event)
    connection.execute("DELETE FROM outbox")


def commit_at_the_end(connection, send):
    """The heads, but one transaction for all of them: it holds whatever it has sent."""
    with connection.transaction():
        while (row := connection.execute(HEAD).fetchone()) is not None:
            send(*row[1:])
            connection.execute(DELETE, row[:1])


def swallow_everything(connection, send):
    with contextlib.suppress(psycopg.Error):
        in_batches("")(connection, send)


ANSWERS = {
    "9.9": Answers(
        right={
            "reference": relay_with(),
            "advisory locks": lock_orders(),
            "in rounds": in_rounds,
        },
        wrong={
            "any free row": ("overtaken", relay_with(query=f"{OLDEST} SKIP LOCKED")),
            "a batch of free rows": ("not_shared", in_batches("FOR UPDATE SKIP LOCKED")),
            "waits for the row": ("waited", relay_with(query=OLDEST)),
            "waits for the rows": ("waited", in_batches("FOR UPDATE")),
            "no lock": ("doubled", deletes_one_by_one),
            "one relay at a time": ("not_shared", lock_orders(by="all")),
            "waits for the order": ("waited", lock_orders(wait=True)),
            "old news under a new lock": ("doubled", lock_orders(look_again=False)),
            "deletes first, without a transaction": (
                "overtaken",
                relay_with(when="before", held="nothing"),
            ),
            "only one": ("lost", relay_with(turns=1)),
            "never commits": ("doubled", relay_with(held="rolled back")),
            "never deletes": ("doubled", relay_with(when="never")),
            "newest first": ("overtaken", relay_with(query=HEAD.replace(
                "earlier.position <", "earlier.position >"))),
            "in one transaction": ("not_shared", commit_at_the_end),
            "until it is empty": ("waited", until_empty),
            "clears the table": ("doubled", clear_the_table),
            "deletes by its text": ("lost", relay_with(delete="event = %(event)s")),
            "deletes by order and text": (
                "lost",
                relay_with(delete="order_id = %(order)s AND event = %(event)s"),
            ),
            "swallows errors": ("doubled", swallow_everything),
            "blanks cut off": ("wrong_body", relay_with(body=str.strip)),
            "tidied up": ("wrong_body", relay_with(body=str.upper)),
            "hangs": ("waited", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def database():
    with pipeline.PostgreSQL() as one:
        yield one


def test_answers(case, database):
    case.judge(database=database)
