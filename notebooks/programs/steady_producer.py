"""A Kafka producer that sends an order every twenty milliseconds, to each partition in turn.

It prints "attempt ORDER TIME" when it sends one, and "acknowledge ORDER TIME" or "refuse ORDER TIME"
when the answer comes; TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/steady_producer.py BOOTSTRAP_SERVERS TOPIC
"""

import argparse
import itertools

from kafka import KafkaProducer

from helpers.programs import asked_to_end, say


def send(producer, topic, partition, order):
    """Send one order, and say later what became of it; `send` itself does not wait."""
    say("attempt", order)
    promise = producer.send(topic, str(order).encode(), partition=partition)
    promise.add_callback(lambda _: say("acknowledge", order))
    promise.add_errback(lambda _: say("refuse", order))


def main():
    """Send until SIGTERM asks us to stop; then wait for the answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    args = parser.parse_args()

    leaving = asked_to_end()
    with KafkaProducer(bootstrap_servers=args.servers, acks="all") as producer:
        partitions = len(producer.partitions_for(args.topic))
        for order in itertools.count(1):
            send(producer, args.topic, order % partitions, order)
            if leaving.wait(0.02):
                break
        producer.flush(timeout=60)


if __name__ == "__main__":
    main()
