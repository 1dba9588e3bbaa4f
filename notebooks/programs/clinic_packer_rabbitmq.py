"""A packer of the shop: a worker at a RabbitMQ queue that packs each order, then acknowledges it.

An order is a number. It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes
share, and "unreadable ORDER TIME" for what is no number.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/clinic_packer_rabbitmq.py amqp://guest:guest@127.0.0.1:5672/ QUEUE
"""

import argparse
import time

import pika

from helpers.programs import asked_to_end, say


def take(args, channel, method, body):
    """Called for each order that the broker delivers."""
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
        for method, _, body in channel.consume(args.queue, inactivity_timeout=0.1):
            if leaving.is_set():
                break  # what is not acknowledged goes back to the queue
            if method is not None:
                take(args, channel, method, body)


if __name__ == "__main__":
    main()
