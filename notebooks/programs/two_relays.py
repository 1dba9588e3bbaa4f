"""Twelve events in an outbox of PostgreSQL, one or two relays at it, and what arrives in Kafka."""

from collections.abc import Callable

import psycopg

from helpers import Program, clients, fresh, wait_until
from helpers.brokers import Brokers

STAGES = ("placed", "paid", "shipped")
OUTBOX = """
    DROP TABLE IF EXISTS outbox;
    CREATE TABLE outbox (position bigserial PRIMARY KEY, order_id int, event text)
"""
ROW = "INSERT INTO outbox (order_id, event) VALUES (%s, %s)"
FREE = "SELECT event FROM outbox WHERE mod(order_id, %s) = %s FOR UPDATE SKIP LOCKED"


def relay_twelve(
    brokers: Brokers,
    url: str,
    first_does: Callable[[Program], None],
    second: bool = True,
    of: int = 1,
) -> dict[str, int]:
    """The first relay stands still with some rows in hand; then it does something.

    Args:
        second: does a second relay what it can before that? If not, it comes after it.
        of: 2 if each has its share of the orders, 1 if not.
    """
    topic = fresh("shop")
    clients.make_topic(brokers, topic)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OUTBOX)
        for stage in STAGES:
            for order in (1, 2, 3, 4):
                connection.execute(ROW, [order, f"{order}-{stage}"])

        def nothing(query: str, *parameters: int) -> bool:
            return not connection.execute(query, parameters).fetchall()

        relay = ["relay_postgres.py", topic, url, "--of", of, "--share"]
        first = Program(*relay, 0, "--pause")
        first.wait_for("paused")
        if second:
            other = Program(*relay, of - 1)
            wait_until(lambda: nothing(FREE, of, of - 1), "the second relay", timeout=40)
        first_does(first)
        if not second:
            other = Program(*relay, 0)
        wait_until(lambda: nothing("SELECT event FROM outbox"), "the outbox's end", timeout=40)
        for one in (first, other):
            one.stop()
    return compare([record.value.decode() for record in clients.read_topic(brokers, topic)])


def compare(events: list[str]) -> dict[str, int]:
    """What became of the twelve."""
    stories = [[e[2:] for e in events if e[0] == order] for order in "1234"]
    wrong = sum(story != sorted(story, key=STAGES.index) for story in stories)
    told = len(set(events))
    return {"lost": 12 - told, "twice": len(events) - told, "orders in a wrong order": wrong}
