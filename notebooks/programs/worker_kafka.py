"""A member of a Kafka consumer group: it handles each order, then commits how far it has come.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/worker_kafka.py TOPIC GROUP
"""

import argparse
import time

from kafka import KafkaConsumer

from helpers import up
from helpers.programs import asked_to_end, pause


def handle(args, consumer, record):
    """Called for each record of the partitions that this member owns."""
    order = int(record.value)
    if order == args.pause_at:
        pause()
    print("handled", order, time.monotonic(), flush=True)  # the work is done here
    if order % args.commit_every == 0:
        consumer.commit()  # all that was handled so far is done


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--name", default="worker", help="shares are dealt in order of names")
    parser.add_argument("--commit-every", type=int, default=1, help="every third order: 3")
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    parser.add_argument("--seconds", type=float, default=0, help="how long each order takes")
    parser.add_argument("--servers", help="where Kafka is, if it is not the course's own")
    args = parser.parse_args()

    leaving = asked_to_end()
    options = {
        "client_id": args.name,
        "group_id": args.group,
        "auto_offset_reset": "earliest",  # a new group begins at the beginning
        "enable_auto_commit": False,  # we say ourselves what is done
        "session_timeout_ms": 6000,  # dead when nothing is heard for so long
        "heartbeat_interval_ms": 300,
        "consumer_timeout_ms": 200,  # `for` ends when nothing has come for so long
    }
    options |= (
        {"bootstrap_servers": args.servers} if args.servers else up("kafka", quiet=True).kafka
    )
    with KafkaConsumer(args.topic, **options) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while not leaving.is_set():
            for record in consumer:
                time.sleep(args.seconds)
                handle(args, consumer, record)
                if leaving.is_set():  # though there is more
                    break


if __name__ == "__main__":
    main()
