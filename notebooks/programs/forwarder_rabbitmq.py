"""A worker that takes orders from one RabbitMQ queue, and publishes a receipt for each to another.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder, with the port of a node:
    .venv/bin/python notebooks/programs/forwarder_rabbitmq.py PORT ORDERS RECEIPTS two
"""

import argparse

import pika

from helpers.programs import asked_to_end, say

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def handle(args, out, channel, method, properties, body):
    """Called for each order that the broker delivers."""
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

    leaving = asked_to_end()
    where = pika.ConnectionParameters("127.0.0.1", args.port, heartbeat=0)
    consuming = publishing = pika.BlockingConnection(where)
    if args.connections == "two":
        publishing = pika.BlockingConnection(where)
    channel = consuming.channel()
    out = publishing.channel()
    channel.basic_qos(prefetch_count=1)  # one order in hand at most
    for method, properties, body in channel.consume(args.orders, inactivity_timeout=0.2):
        if leaving.is_set():
            break  # what is not acknowledged goes back to the queue
        if method is not None:
            handle(args, out, channel, method, properties, body)
    for connection in {consuming, publishing}:
        connection.close()


if __name__ == "__main__":
    main()
