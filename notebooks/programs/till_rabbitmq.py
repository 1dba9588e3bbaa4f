"""A till that is called over RabbitMQ: it charges the card for an order, and answers with a receipt.

It prints "handled ORDER TIME" for each card charged, TIME in seconds of a clock that all processes
share. With --keys it keeps the keys of its calls in a database, and charges once for each key.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/till_rabbitmq.py QUEUE
"""

import argparse
import os
import signal
import sqlite3

import pika

from helpers import up
from helpers.programs import asked_to_end, say


def answer(args, book, channel, method, properties, body):
    """Called for each call: charge, answer, acknowledge, in this order."""
    order, key = int(body), properties.correlation_id
    if charge(book, key if args.keys else None):
        say("handled", order)  # the card is charged here
    if order == args.crash_at:
        os.kill(os.getpid(), signal.SIGKILL)  # it has charged, and gives no receipt
    reply = pika.BasicProperties(correlation_id=key)
    channel.basic_publish("", properties.reply_to, f"receipt {order}", reply)
    channel.basic_ack(method.delivery_tag)


def charge(book, key):
    """Write a charge down with its key, in one transaction; is it a new one? No key is always new."""
    with book:
        return book.execute("INSERT OR IGNORE INTO charges VALUES (?)", [key]).rowcount == 1


def main():
    """Answer calls until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("--keys", help="file of the database; without it no key is kept")
    parser.add_argument("--crash-at", type=int, help="an order at which it dies")
    args = parser.parse_args()

    book = sqlite3.connect(args.keys or ":memory:")
    book.execute("CREATE TABLE IF NOT EXISTS charges (key TEXT UNIQUE)")
    leaving = asked_to_end()
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, properties, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if leaving.is_set():
                break  # what is not acknowledged goes back to the queue
            if method is not None:
                answer(args, book, channel, method, properties, body)


if __name__ == "__main__":
    main()
