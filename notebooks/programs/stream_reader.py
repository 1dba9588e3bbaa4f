"""A reader of a RabbitMQ stream: it writes each order into a database, and notes how far it has come.

It prints "handled ORDER TIME" for each order in the database, TIME in seconds of a clock that all
processes share.

By hand, in the course's folder (START is first, last, next, or noted):
    .venv/bin/python notebooks/programs/stream_reader.py STREAM DATABASE START
"""

import argparse
import sqlite3
from functools import partial

import pika

from helpers import up
from helpers.programs import asked_to_end, pause, say


def handle(args, database, channel, method, properties, body):
    """Called by pika for each order: the work, then the offset of the next one."""
    order = int(body)
    database.execute("INSERT INTO handled VALUES (?)", [order])
    if not args.together:
        database.commit()  # the work is done, whatever comes
    if order == args.pause_at:
        pause()
    offset = properties.headers["x-stream-offset"]
    database.execute("UPDATE place SET next = ?", [offset + 1])
    database.commit()
    channel.basic_ack(method.delivery_tag)
    say("handled", order)


def main():
    """Read until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stream")
    parser.add_argument("database")
    parser.add_argument("start", nargs="?", help="noted: at the offset in the database")
    parser.add_argument("--together", action="store_true", help="work and offset: one transaction")
    parser.add_argument("--pause-at", type=int, help="wait when this order is in hand")
    args = parser.parse_args()

    leaving = asked_to_end()
    database = sqlite3.connect(args.database)
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        begin = {"x-stream-offset": args.start} if args.start else {}
        if args.start == "noted":
            [begin["x-stream-offset"]] = database.execute("SELECT next FROM place").fetchone()
        channel.basic_consume(args.stream, partial(handle, args, database), arguments=begin)
        say("reading", args.stream)  # the broker has answered: from here on, nothing is missed
        while not leaving.is_set():
            connection.process_data_events(time_limit=0.2)


if __name__ == "__main__":
    main()
