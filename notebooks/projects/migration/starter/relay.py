"""Publishes what is in the shop's outbox: to RabbitMQ at first, and to Kafka from step 4 on.

By hand: python relay.py --rabbitmq amqp://guest:guest@127.0.0.1:5672 --kafka 127.0.0.1:9092 \
--name shop --folder FOLDER
"""

import sqlite3
import time
from contextlib import closing

import messages

OUTBOX = """CREATE TABLE IF NOT EXISTS outbox
    (position INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, order_id INTEGER, body BLOB)"""

FIRST = """SELECT position, message_id, order_id, CAST(body AS BLOB) FROM outbox
    ORDER BY position LIMIT 1"""


def publish(args, role, goes_on):
    """Publish row by row, and strike each out once the broker has it."""
    with closing(sqlite3.connect(f"{args.folder}/shop.db", timeout=60)) as shop:
        shop.execute(OUTBOX)
        send = open_rabbitmq(args) if role == "rabbitmq" else open_kafka(args)
        while goes_on():
            row = shop.execute(FIRST).fetchone()
            if row is None:
                time.sleep(0.05)
                continue
            position, message_id, order, body = row
            send(messages.Message(message_id, str(order), body))
            with shop:
                shop.execute("DELETE FROM outbox WHERE position = ?", [position])


def open_rabbitmq(args):
    """How a message is sent to RabbitMQ."""
    channel = messages.rabbitmq(args)
    messages.declare(channel, args.name, f"{args.name}.orders")
    return lambda message: messages.to_rabbitmq(channel, args.name, message)


def open_kafka(args):
    """How a message is sent to Kafka."""
    producer = messages.producer(args)
    return lambda message: messages.to_kafka(producer, f"{args.name}.orders", message)


def main():
    """Publish until we are asked to end."""
    args = messages.arguments(__doc__.partition("\n")[0]).parse_args()
    messages.serve("relay", args, publish)


if __name__ == "__main__":
    main()
