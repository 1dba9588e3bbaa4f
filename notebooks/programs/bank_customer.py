"""A payment service whose charges are made by a bank elsewhere; it notes the orders that it charged.

It prints "handled ORDER TIME" for each order that it is done with.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/bank_customer.py QUEUE DATABASE PORT note-last
"""

import argparse
import sqlite3
from urllib.request import Request, urlopen

import pika

from helpers import programs, up

TABLE = "CREATE TABLE IF NOT EXISTS charged (order_id TEXT PRIMARY KEY)"
NOTE = "INSERT INTO charged VALUES (?) ON CONFLICT DO NOTHING"


def note_first(order, database, charge, between):
    """Note the order; charge it, if it wasn't noted before."""
    with database:
        new = database.execute(NOTE, [order]).rowcount
    if new:
        between(order)
        charge(order)


def note_last(order, database, charge, between, headers=None):
    """Charge the order, unless it is noted; then note it."""
    found = database.execute("SELECT order_id FROM charged WHERE order_id = ?", [order])
    if found.fetchone() is None:
        charge(order, headers or {})
        between(order)
        with database:
            database.execute(NOTE, [order])


def hand_key_on(order, database, charge, between):
    """The same; and the bank gets a key, which is the same in every try."""
    note_last(order, database, charge, between, {"Idempotency-Key": f"order {order}"})


WAYS = {"note-first": note_first, "note-last": note_last, "hand-key-on": hand_key_on}


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("database", help="where it notes: a file, or :memory:")
    parser.add_argument("port", help="of the bank")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--pause-at", help="an order, between its charge and its note")
    args = parser.parse_args()

    def charge(order, headers=()):
        urlopen(Request(f"http://127.0.0.1:{args.port}", order.encode(), dict(headers)), timeout=20)

    def between(order):
        if order == args.pause_at:
            channel.queue_declare(args.queue, passive=True)  # the broker has read what we said
            programs.pause()

    leaving, database = programs.asked_to_end(), sqlite3.connect(args.database)
    database.execute(TABLE)
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is not None:
                WAYS[args.way](body.decode(), database, charge, between)
                channel.basic_ack(method.delivery_tag)
                programs.say("handled", body.decode())


if __name__ == "__main__":
    main()
