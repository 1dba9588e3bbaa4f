"""A worker that takes orders from one RabbitMQ queue, and publishes a receipt for each to another.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder, with the port of a node:
    .venv/bin/python notebooks/programs/forwarder_rabbitmq.py PORT ORDERS RECEIPTS two
"""

import argparse
import signal
from functools import partial

import pika

from helpers.programs import say

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def handle(args, out, channel, method, properties, body):
    """Called by pika for each order that the broker delivers."""
    out.basic_publish("", args.receipts, body, PERSISTENT)  # without waiting for a confirm
    channel.basic_ack(method.delivery_tag)
    say("handled", int(body))


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("orders", help="the queue that orders come from")
    parser.add_argument("receipts", help="the queue that receipts go to")
    parser.add_argument("connections", choices=["one", "two"], help="two: one to publish on")
    args = parser.parse_args()

    where = pika.ConnectionParameters("127.0.0.1", args.port, heartbeat=0)
    consuming = publishing = pika.BlockingConnection(where)
    if args.connections == "two":
        publishing = pika.BlockingConnection(where)
    channel = consuming.channel()
    stop = partial(consuming.add_callback_threadsafe, channel.stop_consuming)
    signal.signal(signal.SIGTERM, lambda *_: stop())
    channel.basic_qos(prefetch_count=1)  # one order in hand at most
    channel.basic_consume(args.orders, partial(handle, args, publishing.channel()))
    channel.start_consuming()
    for connection in {consuming, publishing}:
        connection.close()


if __name__ == "__main__":
    main()
