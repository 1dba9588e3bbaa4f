"""The shop's desk: it sends an order every so often to a Kafka topic, each as "NUMBER CUSTOMER CITY".

Nine of ten customers live in the same city. It prints "acknowledge ORDER TIME" or "refuse ORDER TIME" when
the answer comes, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/clinic_shop_kafka.py BOOTSTRAP_SERVERS TOPIC
"""

import argparse
import itertools
from functools import partial

from kafka import KafkaProducer

from helpers.programs import asked_to_end, say

CUSTOMERS = 61  # a prime: no customer's orders go to one partition by chance


def order(number):
    """The order's customer and city."""
    customer = number * 7 % CUSTOMERS
    city = f"village-{customer}" if customer % 10 == 0 else "capital"
    return {"customer": f"customer-{customer}", "city": city}


def send(args, producer, partitions, number):
    """Send one order, and say later what became of it."""
    found = order(number)
    value = f"{number} {found['customer']} {found['city']}".encode()
    where = {"partition": number % partitions}
    if args.key != "none":
        where = {"key": found[args.key].encode()}
    promise = producer.send(args.topic, value, **where)
    promise.add_callback(lambda _: say("acknowledge", number))
    promise.add_errback(lambda _: say("refuse", number))


def main():
    """Send until SIGTERM asks us to stop; then wait for the answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("--key", choices=("none", "customer", "city"), default="none")
    parser.add_argument("--every", type=float, default=0.02, help="seconds from order to order")
    parser.add_argument("--first", type=int, default=1, help="the number of the first order")
    args = parser.parse_args()

    leaving = asked_to_end()
    with KafkaProducer(bootstrap_servers=args.servers, acks="all") as producer:
        send_next = partial(send, args, producer, len(producer.partitions_for(args.topic)))
        for number in itertools.count(args.first):
            send_next(number)
            if leaving.wait(args.every):
                break
        producer.flush(timeout=60)


if __name__ == "__main__":
    main()
