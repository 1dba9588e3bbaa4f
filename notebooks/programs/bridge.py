"""A bridge: it takes orders from a RabbitMQ queue, five at a time, and sends them to a Kafka topic.

Each record's key is the id that the publisher gave to its message; its header "bridge" is an id that
the bridge makes. It prints "handled ID TIME" for each order that is sent and acknowledged.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/bridge.py QUEUE TOPIC
"""

import argparse
import uuid

import pika
from kafka import KafkaProducer

from helpers import programs, up


def carry(args, channel, producer, orders):
    """Acknowledge these orders together, before all of them are sent or after."""
    last_tag = orders[-1][0].delivery_tag
    if args.acknowledge == "first":
        channel.basic_ack(last_tag, multiple=True)
    for _, properties, body in orders:
        key, headers = properties.message_id.encode(), [("bridge", uuid.uuid4().bytes)]
        producer.send(args.topic, body, key=key, headers=headers).get(timeout=20)  # Kafka has it
        if properties.message_id == args.pause_after:
            programs.pause(channel, args.queue)
    if args.acknowledge == "last":
        channel.basic_ack(last_tag, multiple=True)
    for _, properties, _ in orders:
        programs.say("handled", properties.message_id)


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue", help="of RabbitMQ, to read from")
    parser.add_argument("topic", help="of Kafka, to write to")
    parser.add_argument("--acknowledge", choices=["first", "last"], default="last")
    parser.add_argument("--pause-after", help="the id of the order after which to pause")
    args = parser.parse_args()

    leaving = programs.asked_to_end()
    brokers = up("rabbitmq", "kafka", quiet=True)
    options = {"acks": "all", "enable_idempotence": True, **brokers.kafka}
    with KafkaProducer(**options) as producer, pika.BlockingConnection(brokers.rabbitmq) as to:
        channel = to.channel()
        channel.basic_qos(prefetch_count=5)
        orders = []
        for method, properties, body in channel.consume(args.queue, inactivity_timeout=1):
            if method is not None:
                orders.append((method, properties, body))
            if len(orders) == 5 or (orders and method is None):  # five, or no more for a second
                carry(args, channel, producer, orders)
                orders = []
            if leaving.is_set():
                break


if __name__ == "__main__":
    main()
