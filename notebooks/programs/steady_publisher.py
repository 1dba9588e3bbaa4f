"""A RabbitMQ publisher that publishes an order every 20 ms, or as told, to each queue in turn.

It has each order confirmed before the next. If its connection is lost, it goes on over the next
node, and publishes again what had no answer. It prints "attempt ORDER TIME" for each order, then
"acknowledge ORDER TIME", perhaps after some "refuse ORDER TIME" and "disconnected ORDER TIME";
TIME in seconds of a clock that all processes share.

By hand, in the course's folder, with the ports of the nodes:
    .venv/bin/python notebooks/programs/steady_publisher.py PORT,PORT,PORT QUEUE QUEUE …
"""

import argparse
import itertools
import time

import pika
from pika.exceptions import AMQPConnectionError, NackError, UnroutableError

from helpers.programs import asked_to_end, say

PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Publisher:
    """Publishes over one node at a time."""

    def __init__(self, ports):
        self.ports = itertools.cycle(ports)
        self.connect()

    def connect(self):
        """Connect to the next node that answers."""
        for port in self.ports:
            try:
                # no heartbeats: nodes here are frozen. In production they tell that one has vanished.
                parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=0)
                self.connection = pika.BlockingConnection(parameters)
                self.channel = self.connection.channel()
                self.channel.confirm_delivery()
                break
            except AMQPConnectionError:
                time.sleep(0.1)  # perhaps none of them is there

    def publish(self, queue, order):
        """Publish until it is confirmed."""
        say("attempt", order)
        while True:
            try:
                self.channel.basic_publish("", queue, str(order), PERSISTENT, mandatory=True)
                say("acknowledge", order)
                return
            except (NackError, UnroutableError):
                say("refuse", order)
                time.sleep(0.1)  # the channel is as good as before
            except AMQPConnectionError:
                say("disconnected", order)
                self.connect()


def main():
    """Publish until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ports", type=lambda text: text.split(","))
    parser.add_argument("queues", nargs="+")
    parser.add_argument("--seconds", type=float, default=0.02, help="from one order to the next")
    args = parser.parse_args()

    leaving = asked_to_end()
    publisher = Publisher(args.ports)
    for order, queue in enumerate(itertools.cycle(args.queues), 1):
        publisher.publish(queue, order)
        if leaving.wait(args.seconds):
            break
    publisher.connection.close()


if __name__ == "__main__":
    main()
