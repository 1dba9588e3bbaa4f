"""A worker that charges orders at a bank, and does something about those that fail.

It prints "tried ORDER TIME" for each try and "handled ORDER TIME" for each order that was charged,
TIME in seconds of a clock that all processes share. The bank fails as often as it is told to.

By hand, in the course's folder, with the queues of a ladder, the parking lot last, or without one:
    .venv/bin/python notebooks/programs/retry_worker.py JOBS WAIT-1 WAIT-2 PARKING --fail 3:2 9:99
"""

import argparse
from collections import Counter, defaultdict

import pika

from helpers import up
from helpers.programs import asked_to_end, say


class Bank:
    """Charges an order, after it has failed the first few times."""

    def __init__(self, failures):
        self.left = Counter(failures)  # order: how often it will still fail

    def charge(self, order):
        """Did it work?"""
        say("tried", order)
        self.left[order] -= 1
        return self.left[order] < 0


class InTurn:
    """Charges an order only if no earlier one of its customer is still to be charged.

    It holds for one worker, as long as it lives: who waits is in its memory.
    """

    def __init__(self, bank, customers):
        self.bank = bank
        self.customers = customers
        self.waiting = defaultdict(set)  # customer: orders

    def charge(self, order):
        """Did it work?"""
        waiting = self.waiting[order % self.customers]
        if any(earlier < order for earlier in waiting) or not self.bank.charge(order):
            waiting.add(order)
            return False
        waiting.discard(order)
        return True


def retry_later(channel, method, properties, body, ladder):
    """Hand a failed order to its next rung, or to the parking lot; and only then let go of it."""
    headers = properties.headers or {}
    tries = 1 + headers.get("tries", 0)
    properties.headers, properties.delivery_mode = headers | {"tries": tries}, 2
    channel.basic_publish("", ladder[tries - 1], body, properties, mandatory=True)
    channel.basic_ack(method.delivery_tag)


def main():
    """Charge orders until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs")
    parser.add_argument("ladder", nargs="*", help="where a failed order goes, one after the other")
    parser.add_argument("--prefetch", type=int, default=1, help="orders in hand at most")
    parser.add_argument("--fail", nargs="*", default=[], help="3:2: order 3 fails twice")
    parser.add_argument("--customers", type=int, help="keep the order of each of so many")
    args = parser.parse_args()

    bank = Bank({int(order): int(times) for order, times in (f.split(":") for f in args.fail)})
    if args.customers:
        bank = InTurn(bank, args.customers)
    leaving = asked_to_end()
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=args.prefetch)
        for method, properties, body in channel.consume(args.jobs, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is None:
                continue
            if bank.charge(order := int(body)):
                say("handled", order)  # the work is done here
                channel.basic_ack(method.delivery_tag)
            elif args.ladder:
                retry_later(channel, method, properties, body, args.ladder)
            else:
                channel.basic_reject(method.delivery_tag, requeue=True)


if __name__ == "__main__":
    main()
