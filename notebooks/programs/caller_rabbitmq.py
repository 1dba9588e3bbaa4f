"""A caller over RabbitMQ: it asks for receipts of orders, and keeps the answers that come.

As a program it asks for orders 1 to 5, prints "asked", and waits for nobody: it stops there.

By hand, in the course's folder, with the queue of a till and one of its own:
    .venv/bin/python notebooks/programs/caller_rabbitmq.py QUEUE REPLIES
"""

import argparse
import time

import pika

from helpers import up
from helpers.programs import pause

DIRECT = "amq.rabbitmq.reply-to"


class Caller:
    """A channel to ask on. ``answers`` are those that nobody has taken, the oldest first; also those that
    came too late, which who asks for long should throw away."""

    def __init__(self, parameters, replies=DIRECT):
        self.answers = {}  # correlation id: body
        self.replies = replies
        self.channel = pika.BlockingConnection(parameters).channel()
        self.channel.confirm_delivery()
        if replies == DIRECT:  # from a queue of its own, it fetches its answers later
            self.channel.basic_consume(DIRECT, self.on_answer, auto_ack=True)

    def on_answer(self, _channel, _method, properties, body):
        """Called by pika for each answer."""
        self.answers[properties.correlation_id] = body.decode()

    def ask(self, queue, *orders, key="{}", expiration=None):
        """Ask for these orders and go on; an order's number in ``key`` is its correlation id."""
        for order in orders:
            question = pika.BasicProperties(
                reply_to=self.replies,
                correlation_id=key.format(order),
                expiration=expiration,  # milliseconds, as text
                delivery_mode=2,
            )
            self.channel.basic_publish("", queue, str(order), question, mandatory=True)

    def take(self, key=None, seconds=20.0):
        """The answer with this correlation id, or without one the next; None if there is none in time."""
        until = time.monotonic() + seconds
        while not (self.answers if key is None else key in self.answers):
            if (left := until - time.monotonic()) <= 0:
                return None  # given up
            self.channel.connection.process_data_events(left)
        return self.answers.pop(key or next(iter(self.answers)))


def main():
    """Ask five times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("replies", help="the queue for the answers")
    args = parser.parse_args()

    caller = Caller(up("rabbitmq", quiet=True).rabbitmq, args.replies)
    caller.ask(args.queue, *range(1, 6))
    print("asked", flush=True)
    pause()


if __name__ == "__main__":
    main()
