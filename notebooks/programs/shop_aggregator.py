"""The shop's aggregator: it collects lines, as "7/2 350", until an order has all three.

It prints "took LINE TIME" for each line, and "handled ORDER TIME" for each order that is complete.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_aggregator.py LINES memory
"""

import argparse
import sqlite3

import pika

from helpers import programs, up

TABLE = "CREATE TABLE IF NOT EXISTS lines (order_id, line, cents, PRIMARY KEY (order_id, line))"


def collect(database, text):
    """Keep a line, once; and return its order if that has all its lines now."""
    name, cents = text.split()
    order, line = map(int, name.split("/"))
    with database:
        row = [order, line, int(cents)]
        database.execute("INSERT OR IGNORE INTO lines VALUES (?, ?, ?)", row)
    [(lines,)] = database.execute("SELECT count(*) FROM lines WHERE order_id = ?", [order])
    return order if lines == 3 else None


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lines", help="a queue")
    parser.add_argument("kept", help="where lines are kept: a file, or the word memory")
    parser.add_argument("--acknowledge", choices=["each", "complete"], default="each")
    parser.add_argument("--prefetch", type=int, default=100, help="lines in hand at most")
    parser.add_argument("--pause-after", type=int, help="how many lines to take before pausing")
    args = parser.parse_args()

    leaving, taken, in_hand = programs.asked_to_end(), 0, {}
    database = sqlite3.connect(":memory:" if args.kept == "memory" else args.kept)
    database.execute(TABLE)
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=args.prefetch)
        for method, _, body in channel.consume(args.lines, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is None:
                continue
            complete = collect(database, body.decode())
            in_hand.setdefault(body.partition(b"/")[0], []).append(method.delivery_tag)
            if complete is not None:
                programs.say("handled", complete)
            if args.acknowledge == "each" or complete is not None:
                for tag in in_hand.pop(body.partition(b"/")[0]):
                    channel.basic_ack(tag)
            programs.say("took", body.decode().partition(" ")[0])
            taken += 1
            if taken == args.pause_after:
                programs.pause(channel, args.lines)


if __name__ == "__main__":
    main()
