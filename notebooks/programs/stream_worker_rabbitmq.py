"""A worker at a RabbitMQ stream: it handles each order, and notes the offset at which to go on.

It prints "handled ORDER TIME" for each order and "noted OFFSET TIME" for each note, TIME in seconds
of a clock that all processes share. A stream keeps what was read. So without a note, nobody knows
where the next worker has to begin.

By hand, in the course's folder, with the port of a node:
    .venv/bin/python notebooks/programs/stream_worker_rabbitmq.py STREAM --port PORT
"""

import argparse
import math
from functools import partial

import pika

from helpers.programs import pause, say


def handle(args, channel, method, properties, body):
    """Called by pika for each order that the broker delivers."""
    order = int(body)
    if order == args.pause_at:
        pause()
    say("handled", order)  # the work is done here
    if order % args.acknowledge_every == 0:
        say("noted", properties.headers["x-stream-offset"] + 1)
    channel.basic_ack(method.delivery_tag)  # at a stream it says no more than: send me more


def main():
    """Work until we are killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stream")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--acknowledge-every", type=int, default=1, help="note every third: 3")
    parser.add_argument(
        "--automatic",
        action="store_const",
        const=math.nan,  # no order is a multiple of it, not even order 0
        dest="acknowledge_every",
        help="note none",
    )
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    args = parser.parse_args()
    parameters = pika.ConnectionParameters("127.0.0.1", args.port)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        begin = {"x-stream-offset": "first"}
        channel.basic_consume(args.stream, partial(handle, args), arguments=begin)
        channel.start_consuming()


if __name__ == "__main__":
    main()
