"""A traced bridge: it takes orders from a RabbitMQ queue, one at a time, and sends them to a Kafka topic.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/traced_bridge.py QUEUE TOPIC FOLDER hand-on
"""

import argparse

import pika
import tracing
from kafka import KafkaProducer
from opentelemetry.propagate import extract, inject

from helpers import programs, up


def hand_on(received):
    """The headers of the new record name the span that we are in."""
    headers = {}
    inject(headers)
    return headers


def copy(received):
    """The headers of the new record are those of the old message."""
    return received


def forget(received):
    """The new record has no headers."""
    return {}


def carry(tracer, choose, received, order, send):
    """Send one order, and say so in a span below the one that the message names."""
    with tracer.start_as_current_span(
        "carry", context=extract(received), attributes={"order": int(order)}
    ):
        headers = choose(received)
        send(order, headers=[(name, text.encode()) for name, text in headers.items()])


def main():
    """Work until SIGTERM."""
    ways = {"hand-on": hand_on, "copy": copy, "forget": forget}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue", help="of RabbitMQ, to read from")
    parser.add_argument("topic", help="of Kafka, to write to")
    parser.add_argument("folder", help="for the spans")
    parser.add_argument("way", choices=ways)
    args = parser.parse_args()

    leaving, tracer = programs.asked_to_end(), tracing.start("bridge", args.folder)
    brokers = up("rabbitmq", "kafka", quiet=True)
    with (
        KafkaProducer(acks="all", **brokers.kafka) as producer,
        pika.BlockingConnection(brokers.rabbitmq) as connection,
    ):

        def send(order, headers):
            producer.send(args.topic, order, headers=headers).get(timeout=20)

        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, properties, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if method is not None:
                carry(tracer, ways[args.way], properties.headers or {}, body, send)
                channel.basic_ack(method.delivery_tag)
                programs.say("handled", int(body))
            if leaving.is_set():
                break


if __name__ == "__main__":
    main()
