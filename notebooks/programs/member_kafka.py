"""A member of a Kafka consumer group that tells which partitions it is given and which it gives up.

It prints "given N TIME" and "gives-up N TIME" for each partition N, TIME in seconds of a clock that all
processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/member_kafka.py TOPIC GROUP --way cooperative
"""

import argparse
import time

from confluent_kafka import Consumer

from helpers import up
from helpers.programs import asked_to_end

WAYS = {
    "eager": {"partition.assignment.strategy": "range"},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
    "new protocol": {"group.protocol": "consumer"},
}


def tell(what):
    """A function that the client calls with partitions."""

    def called(_consumer, partitions):
        for one in partitions:
            print(what, one.partition, time.monotonic(), flush=True)

    return called


def main():
    """Ask for records until SIGTERM; what comes is not looked at."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--way", choices=WAYS, default="eager")
    parser.add_argument("--seat", help="a fixed name within the group")
    parser.add_argument("--session", type=int, default=45, help="dead after so many silent seconds")
    parser.add_argument("--interval", type=int, default=300, help="stuck after so many seconds")
    parser.add_argument("--stick", action="store_true", help="get stuck with what it is given")
    args = parser.parse_args()

    options = {**WAYS[args.way], "max.poll.interval.ms": args.interval * 1000}
    if args.seat:
        options["group.instance.id"] = args.seat
    if args.way != "new protocol":  # there the broker chooses
        options["session.timeout.ms"] = args.session * 1000
        options["heartbeat.interval.ms"] = 300
    servers = up("kafka", quiet=True).kafka["bootstrap_servers"]
    consumer = Consumer({"bootstrap.servers": servers, "group.id": args.group, **options})
    gone = tell("gives-up")
    consumer.subscribe([args.topic], on_assign=tell("given"), on_revoke=gone, on_lost=gone)

    leaving = asked_to_end()
    while not leaving.is_set():
        consumer.poll(0.1)  # here the client calls what it was told to call
        if args.stick and consumer.assignment():
            print("stuck", flush=True)
            leaving.wait()  # a handler that does not come back; the client's own thread lives on
    consumer.close()


if __name__ == "__main__":
    main()
