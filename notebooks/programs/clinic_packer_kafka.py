"""A packer of the shop: a member of a Kafka consumer group that packs orders, some at a time.

An order is a text, its number first. It prints "handled ORDER TIME" for each, TIME in seconds of a clock
that all processes share, and "refused COUNT TIME" when it may not commit what it has packed.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/clinic_packer_kafka.py BOOTSTRAP_SERVERS TOPIC GROUP
"""

import argparse
import time

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from helpers.programs import asked_to_end, say


def work(args, consumer):
    """One round: fetch, pack, and commit."""
    fetched = [one for batch in consumer.poll(timeout_ms=200).values() for one in batch]
    for record in fetched:
        time.sleep(args.seconds)  # the work is done here
        say("handled", record.value.split()[0].decode())
    try:
        if fetched:
            consumer.commit()
    except KafkaError:  # we have lost our share meanwhile; somebody else has it
        say("refused", len(fetched))


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("--seconds", type=float, default=0.05, help="how long each order takes")
    parser.add_argument("--most", type=int, default=5, help="orders fetched at a time, at most")
    parser.add_argument("--interval", type=float, default=300, help="stuck after so many seconds")
    parser.add_argument(
        "--session", type=float, default=6, help="dead after so many silent seconds"
    )
    args = parser.parse_args()

    leaving = asked_to_end()
    options = {
        "group_id": args.group,
        "auto_offset_reset": "earliest",  # a new group begins at the beginning
        "enable_auto_commit": False,  # we say ourselves what is done
        "max_poll_records": args.most,
        "max_poll_interval_ms": round(args.interval * 1000),
        "session_timeout_ms": round(args.session * 1000),
        "heartbeat_interval_ms": 300,
        "reconnect_backoff_max_ms": 200,
    }
    with KafkaConsumer(args.topic, bootstrap_servers=args.servers, **options) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        while not leaving.is_set():
            work(args, consumer)


if __name__ == "__main__":
    main()
