"""A member of a Kafka consumer group that takes ten orders at a time, and commits after the ten.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/leaving_worker_kafka.py TOPIC GROUP
"""

import argparse
import itertools
import signal

from kafka import KafkaConsumer

from helpers import up
from helpers.programs import asked_to_end, say


def work(consumer, leaving, slow_at):
    """Ten orders at a time, until we are asked to end: then the ten in hand are the last."""
    while not leaving.is_set():
        polled = consumer.poll(timeout_ms=200, max_records=10)  # by partition
        for record in itertools.chain(*polled.values()):
            if int(record.value) == slow_at:
                print("slow", flush=True)
                leaving.wait()  # it takes until somebody asks us to end
            say("handled", int(record.value))
        if polled:
            consumer.commit()  # the ten are done: it commits what poll has returned


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--slow-at", type=int, help="an order that takes until SIGTERM")
    parser.add_argument("--no-handler", action="store_true", help="let SIGTERM do what it does")
    args = parser.parse_args()

    leaving = asked_to_end()
    if args.no_handler:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    options = {"group_id": args.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with KafkaConsumer(args.topic, **options, **up("kafka", quiet=True).kafka) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        work(consumer, leaving, args.slow_at)  # leaving the block leaves the group


if __name__ == "__main__":
    main()
