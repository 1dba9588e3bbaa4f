"""Send the dead letters of a topic to another topic, as they came, and end when there are no more.

It commits each one after the broker has its copy. With --pause-at it stops itself in between.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/replay_kafka.py DEAD_LETTERS TOPIC GROUP
"""

import argparse

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from helpers import up
from helpers.programs import pause


def main():
    """Replay what this group has not replayed yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("dead_letters", "topic", "group"):
        parser.add_argument(name)
    parser.add_argument(
        "--pause-at", help="a change, such as ben 2: between its copy and its commit"
    )
    args = parser.parse_args()

    kafka = up("kafka", quiet=True).kafka
    options = {"group_id": args.group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with (
        KafkaProducer(**kafka, acks="all") as producer,
        KafkaConsumer(**options, **kafka) as consumer,
    ):
        numbers = consumer.partitions_for_topic(args.dead_letters)
        partitions = [TopicPartition(args.dead_letters, number) for number in numbers]
        consumer.assign(partitions)  # one reader: no shares to be dealt out
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for [record] in consumer.poll(timeout_ms=200, max_records=1).values():
                as_it_came = {"key": record.key, "headers": record.headers}
                producer.send(args.topic, record.value, **as_it_came).get(timeout=20)
                if record.value.decode() == args.pause_at:
                    pause()
                consumer.commit()
    print("done", flush=True)


if __name__ == "__main__":
    main()
