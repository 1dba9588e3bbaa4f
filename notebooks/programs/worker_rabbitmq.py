"""A worker at a RabbitMQ queue: it handles each order, then acknowledges it.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/worker_rabbitmq.py QUEUE
"""

import argparse
import math
import time

import pika

from helpers import up
from helpers.programs import asked_to_end, pause


def handle(args, channel, method, properties, body):
    """Called for each order that the broker delivers."""
    order = int(body)
    if order == args.refuse and not method.redelivered:
        channel.basic_reject(method.delivery_tag, requeue=True)  # not me, not now
        return
    if order == args.pause_at:
        pause(channel, args.queue)
    print("handled", order, time.monotonic(), flush=True)  # the work is done here
    if order % args.acknowledge_every == 0:
        channel.basic_ack(method.delivery_tag, multiple=True)


def take(args, channel, method, properties, body):
    """Handle an order that takes so many seconds, unless it is too late for it."""
    if args.heed_deadline and time.time() > float(properties.headers["until"]):
        channel.basic_ack(method.delivery_tag)
        return
    time.sleep(args.seconds)
    handle(args, channel, method, properties, body)


def own_broker():
    """How to connect to the course's own broker."""
    return up("rabbitmq", quiet=True).rabbitmq


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("--prefetch", type=int, default=100, help="orders in hand at most")
    parser.add_argument("--acknowledge-every", type=int, default=1, help="every third order: 3")
    parser.add_argument(
        "--automatic",
        action="store_const",
        const=math.nan,  # no order is a multiple of it, not even order 0
        dest="acknowledge_every",
        help="acknowledge none: each is done for the broker when it is sent",
    )
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    parser.add_argument("--refuse", type=int, help="an order to be put back once")
    parser.add_argument("--heed-deadline", action="store_true", help="pass over what is late")
    parser.add_argument("--seconds", type=float, default=0, help="how long each order takes")
    parser.add_argument("--port", type=int, help="of a node, if it is not the course's own")
    parser.add_argument("--vhost", default="/", help="the virtual host, of that node")
    args = parser.parse_args()

    place = "127.0.0.1", args.port, args.vhost
    parameters = pika.ConnectionParameters(*place) if args.port else own_broker()
    leaving = asked_to_end()
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=args.prefetch)
        automatic = math.isnan(args.acknowledge_every)
        deliveries = channel.consume(args.queue, auto_ack=automatic, inactivity_timeout=0.2)
        for method, properties, body in deliveries:
            if leaving.is_set():
                break  # what is not acknowledged goes back to the queue
            if method is not None:
                take(args, channel, method, properties, body)


if __name__ == "__main__":
    main()
