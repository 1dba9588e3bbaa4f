"""A traced member of a Kafka consumer group: it packs orders, so many at a time, and then commits.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/traced_worker.py TOPIC GROUP FOLDER
"""

import argparse
import time

import tracing
from kafka import KafkaConsumer
from opentelemetry.propagate import extract
from opentelemetry.trace import Link, get_current_span

from helpers import up
from helpers.programs import asked_to_end, pause, say


def context_of(record):
    """What the record's headers say about the span that it comes from; Kafka's headers are bytes."""
    return extract({name: value.decode() for name, value in record.headers})


def first_as_parent(tracer, records):
    """A span below the one from which the first record comes."""
    return tracer.start_as_current_span("pack", context=context_of(records[0]))


def links(tracer, records):
    """A span of its own, with a link to each one from which a record comes."""
    sources = [get_current_span(context_of(record)).get_span_context() for record in records]
    return tracer.start_as_current_span("pack", links=[Link(source) for source in sources])


def pack(args, tracer, records):
    """The work on some records, in one span."""
    orders = [int(record.value) for record in records]
    with args.start(tracer, records) as span:
        if len(orders) == 1:
            span.set_attribute("order", orders[0])
        for order in orders:
            time.sleep(args.seconds)
            say("handled", order)  # the work is done here
        if args.pause == "within" and args.pause_at in orders:
            pause()
    if args.pause == "after" and args.pause_at in orders:
        pause()


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group")
    parser.add_argument("folder", help="for the spans")
    parser.add_argument("--name", default="worker", help="of the service, in its spans")
    parser.add_argument("--seconds", type=float, default=0.02, help="how long each order takes")
    parser.add_argument("--batch", type=int, default=1, help="orders at a time")
    parser.add_argument("--links", dest="start", action="store_const", const=links)
    parser.add_argument("--buffered", action="store_true", help="write spans once a minute")
    parser.add_argument("--pause", choices=["within", "after"], help="the span of an order")
    parser.add_argument("--pause-at", type=int, help="that order")
    parser.set_defaults(start=first_as_parent)
    args = parser.parse_args()

    leaving, tracer = asked_to_end(), tracing.start(args.name, args.folder, args.buffered)
    options = {
        "group_id": args.group,
        "auto_offset_reset": "earliest",  # a new group begins at the beginning
        "enable_auto_commit": False,  # we say ourselves what is done
        "session_timeout_ms": 6000,  # dead when nothing is heard for so long
        "heartbeat_interval_ms": 300,
    }
    with KafkaConsumer(args.topic, **options, **up("kafka", quiet=True).kafka) as consumer:
        consumer.partitions_for_topic(args.topic)  # know them before asking for a share
        records = []
        while not leaving.is_set():
            missing = args.batch - len(records)
            for more in consumer.poll(timeout_ms=200, max_records=missing).values():
                records += more
            if len(records) == args.batch:
                pack(args, tracer, records)
                consumer.commit()
                records = []


if __name__ == "__main__":
    main()
