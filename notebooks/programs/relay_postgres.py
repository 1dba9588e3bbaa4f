"""A relay of the outbox in PostgreSQL: it takes rows that nobody else holds, and sends them to Kafka.

The table is `outbox (position, order_id, event)`. It prints "handled EVENT TIME" for each row that was
sent, TIME in seconds of a clock that all processes share.

By hand, in the course's folder (DATABASE as postgresql://USER@HOST:PORT/NAME?passfile=FILE):
    .venv/bin/python notebooks/programs/relay_postgres.py TOPIC DATABASE
"""

import argparse

import psycopg
from kafka import KafkaProducer

from helpers import up
from helpers.programs import asked_to_end, pause, say

TAKE = """
    SELECT position, order_id, event FROM outbox
    WHERE mod(order_id, %(of)s) = %(share)s
    ORDER BY position LIMIT 4
    FOR UPDATE SKIP LOCKED
"""
STRIKE_OUT = "DELETE FROM outbox WHERE position = ANY(%s)"


def relay(connection, producer, args):
    """Take some rows, send them, and strike them out, in one transaction; how many there were."""
    with connection.transaction():
        rows = connection.execute(TAKE, {"of": args.of, "share": args.share}).fetchall()
        if args.pause and rows:
            args.pause = False
            pause()
        for _, order, event in rows:
            producer.send(args.topic, key=str(order).encode(), value=event.encode()).get(timeout=20)
            say("handled", event)
        connection.execute(STRIKE_OUT, [[position for position, _, _ in rows]])
    return len(rows)


def main():
    """Relay until SIGTERM asks us to stop; look again every 0.1 seconds when there is nothing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("database")
    parser.add_argument("--share", type=int, default=0, help="take orders with this remainder …")
    parser.add_argument("--of", type=int, default=1, help="… when divided by this number")
    parser.add_argument("--pause", action="store_true", help="stand still with the first rows")
    args = parser.parse_args()

    leaving = asked_to_end()
    with (
        psycopg.connect(args.database, autocommit=True) as connection,
        KafkaProducer(acks="all", **up("kafka", quiet=True).kafka) as producer,
    ):
        while not leaving.is_set():
            if not relay(connection, producer, args):
                leaving.wait(0.1)


if __name__ == "__main__":
    main()
