"""The shop's splitter: it takes an order from one queue, and puts its three lines into another.

It prints "handled ORDER TIME" for each.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_splitter.py ORDERS LINES
"""

import argparse

import pika

from helpers import programs, up

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def split(args, channel, method, body):
    """One message for each line; its id is the order's number and its own."""
    order = int(body)
    if args.acknowledge == "first":
        channel.basic_ack(method.delivery_tag)
    for line in (1, 2, 3):
        channel.basic_publish("", args.lines, f"{order}/{line}", PERSISTENT, mandatory=True)
        if (order, line) == (args.pause_at, 1):
            programs.pause(channel, args.orders)
    if args.acknowledge == "last":
        channel.basic_ack(method.delivery_tag)
    programs.say("handled", order)


def main():
    """Work until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("orders", help="a queue to read from")
    parser.add_argument("lines", help="a queue to write to")
    parser.add_argument("--acknowledge", choices=["first", "last"], default="last")
    parser.add_argument("--pause-at", type=int, help="the order after whose first line to pause")
    args = parser.parse_args()

    leaving = programs.asked_to_end()
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=1)
        for method, _, body in channel.consume(args.orders, inactivity_timeout=0.2):
            if leaving.is_set():
                break
            if method is not None:
                split(args, channel, method, body)


if __name__ == "__main__":
    main()
