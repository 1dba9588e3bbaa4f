"""A packer of the shop: a worker at a RabbitMQ queue that packs each order, then acknowledges it.

An order is a number. It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes
share, and "unreadable ORDER TIME" for what is no number.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/clinic_packer_rabbitmq.py amqp://guest:guest@127.0.0.1:5672/ QUEUE
"""

import argparse
import time
from functools import partial

import pika

from helpers.programs import asked_to_end, say


def take(args, leaving, channel, method, properties, body):
    """Called by pika for each order that the broker delivers."""
    if leaving.is_set():
        return  # it goes back to the queue when the connection is closed
    order = body.decode()
    time.sleep(args.seconds)  # the work is done here
    if order.isdecimal():
        say("handled", order)
        channel.basic_ack(method.delivery_tag)
        return
    say("unreadable", order.replace(" ", "_"))
    if args.unreadable == "acknowledge":
        channel.basic_ack(method.delivery_tag)
    else:
        channel.basic_reject(method.delivery_tag, requeue=args.unreadable == "requeue")


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("queue")
    parser.add_argument("--prefetch", type=int, default=1, help="orders in hand at most; 0: any")
    parser.add_argument("--seconds", type=float, default=0.01, help="how long each order takes")
    parser.add_argument(
        "--unreadable",
        choices=("requeue", "reject", "acknowledge"),
        default="requeue",
        help="what to do with an order that is no number",
    )
    args = parser.parse_args()

    leaving = asked_to_end()
    with pika.BlockingConnection(pika.URLParameters(args.url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=args.prefetch)
        channel.basic_consume(args.queue, partial(take, args, leaving))
        while channel.consumer_tags and not leaving.is_set():  # a deleted queue has no consumer
            connection.process_data_events(0.1)


if __name__ == "__main__":
    main()
