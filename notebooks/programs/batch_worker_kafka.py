"""A member of a Kafka consumer group that fetches ten orders at a time.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/batch_worker_kafka.py TOPIC GROUP --commit after
"""

import argparse
import time

from kafka import KafkaConsumer

from helpers import up
from helpers.programs import asked_to_end, pause


def work(args, consumer):
    """One round: fetch, handle, and commit where we were told to."""
    batches = consumer.poll(timeout_ms=200)  # at most ten records, by partition
    if batches and args.commit == "before":
        consumer.commit()
    for records in batches.values():
        for record in records:
            handle(args, int(record.value))
    if batches and args.commit == "after":
        consumer.commit()


def handle(args, order):
    """Do the work of one order."""
    if order == args.pause_at:
        pause()
    print("handled", order, time.monotonic(), flush=True)  # the work is done here


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--commit", choices=("before", "after"), required=True)
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    args = parser.parse_args()

    leaving = asked_to_end()
    options = {
        "group_id": args.group,
        "auto_offset_reset": "earliest",  # a new group begins at the beginning
        "enable_auto_commit": False,  # we say ourselves what is done
        "session_timeout_ms": 6000,  # dead when nothing is heard for so long
        "heartbeat_interval_ms": 300,
        "max_poll_records": 10,
    }
    with KafkaConsumer(args.topic, **options, **up("kafka", quiet=True).kafka) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while not leaving.is_set():
            work(args, consumer)


if __name__ == "__main__":
    main()
