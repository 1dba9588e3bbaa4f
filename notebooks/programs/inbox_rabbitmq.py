"""A payment service at a RabbitMQ queue, with an inbox: it charges a card once for each event's id.

It prints "new ORDER" before it writes an event that it doesn't know, and "handled ORDER TIME" after
each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/inbox_rabbitmq.py QUEUE DATABASE look-up
"""

import argparse
import sqlite3

import pika

from helpers import up
from helpers.programs import asked_to_end, say

CHARGE = "INSERT INTO charges VALUES (?)"


def look_up(database, event_id, order):
    """Look whether the id is there; if not, do the work and note the id."""
    if database.execute("SELECT id FROM inbox WHERE id = ?", [event_id]).fetchall():
        return
    print("new", order, flush=True)
    with database:  # one transaction, which nobody else can write beside
        database.execute("INSERT INTO inbox VALUES (?)", [event_id])
        database.execute(CHARGE, [order])


def insert_first(database, event_id, order):
    """Insert the id into a table where it is unique; do the work only if that inserted it."""
    print("new", order, flush=True)
    with database:
        note = "INSERT INTO unique_inbox VALUES (?) ON CONFLICT DO NOTHING"
        if database.execute(note, [event_id]).rowcount:
            database.execute(CHARGE, [order])


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("database", help="a file with the tables inbox, unique_inbox and charges")
    parser.add_argument("inbox", choices=["look-up", "insert-first"])
    args = parser.parse_args()
    receive = look_up if args.inbox == "look-up" else insert_first
    database = sqlite3.connect(args.database, timeout=60)

    def handle(channel, method, properties, body):
        receive(database, properties.message_id, int(body))
        channel.basic_ack(method.delivery_tag)
        say("handled", int(body))

    leaving = asked_to_end()
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)  # one in hand; a second goes to somebody else
        for method, properties, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if leaving.is_set():
                break  # what is not acknowledged goes back to the queue
            if method is not None:
                handle(channel, method, properties, body)


if __name__ == "__main__":
    main()
