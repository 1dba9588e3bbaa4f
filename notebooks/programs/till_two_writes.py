"""A till that writes each order twice: as a row of a table and as an event. It dies over order 3.

It prints "handled ORDER TIME" for each order that is written twice, TIME in seconds of a clock that
all processes share.

By hand, in the course's folder (DATABASE as postgresql://USER@HOST:PORT/NAME?passfile=FILE; every
user of this machine can read a program's arguments, so the password is in a file):
    .venv/bin/python notebooks/programs/till_two_writes.py TOPIC PSQL DATABASE TABLE row
"""

import argparse
import os
import signal
import subprocess
import time

from kafka import KafkaProducer

from helpers import up


def write_row(args, order):
    """Insert the order; psql commits each command by itself."""
    command = f"--command=INSERT INTO {args.table} VALUES ({order})"
    subprocess.run([args.psql, "--no-psqlrc", "--quiet", args.database, command], check=True)


def main():
    """Write five orders in two places each, and die over the third, between the two."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("topic", "psql", "database", "table"):
        parser.add_argument(name)
    parser.add_argument("first", choices=["row", "event"])
    args = parser.parse_args()

    producer = KafkaProducer(**up("kafka", quiet=True).kafka)

    def send_event(order):
        producer.send(args.topic, str(order).encode()).get(timeout=20)

    for order in range(1, 6):
        if args.first == "row":
            write_row(args, order)
        else:
            send_event(order)
        if order == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if args.first == "row":
            send_event(order)
        else:
            write_row(args, order)
        print("handled", order, time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
