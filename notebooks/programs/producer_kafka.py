"""A Kafka producer that sends five orders at a time, as one batch.

It prints "attempt ORDER TIME" when it sends one, and "acknowledge ORDER TIME" or "refuse ORDER TIME"
when the answer comes; TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/producer_kafka.py BOOTSTRAP_SERVERS TOPIC
"""

import argparse

from kafka import KafkaProducer

from helpers.programs import pause, say


def send(producer, topic, order):
    """Send one order, and say later what became of it; `send` itself does not wait."""
    say("attempt", order)
    promise = producer.send(topic, str(order).encode())
    promise.add_callback(lambda _: say("acknowledge", order))
    promise.add_errback(lambda _: say("refuse", order))


def main():
    """Send a hundred orders, five at a time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("--no-idempotence", action="store_true")
    parser.add_argument("--pause-at", type=int, help="wait before this order")
    args = parser.parse_args()

    options = {
        "bootstrap_servers": args.servers,
        "acks": "all",
        "enable_idempotence": not args.no_idempotence,
        "linger_ms": 1000,  # collect records for so long, or until flush(): five make a batch
    }
    with KafkaProducer(**options) as producer:
        for order in range(1, 101):
            if order == args.pause_at:
                pause()
            send(producer, args.topic, order)
            if order % 5 == 0:
                producer.flush(timeout=60)  # send them now, and wait for the answers


if __name__ == "__main__":
    main()
