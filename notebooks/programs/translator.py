"""One worker of a hub: it takes orders such as "7;1250" from a queue and passes them on as JSON.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/translator.py QUEUE OUTBOX
"""

import argparse
import json
import time

import pika

from helpers import up
from helpers.programs import asked_to_end

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def translate(args, channel, method, body):
    """Called for each order that the broker delivers."""
    order, cents = map(int, body.split(b";"))
    time.sleep(0.1)  # it looks something up
    text = json.dumps({"order": order, "cents": cents})
    channel.basic_publish("", args.outbox, text, PERSISTENT, mandatory=True)
    print("handled", order, time.monotonic(), flush=True)
    channel.basic_ack(method.delivery_tag)


def main():
    """Work until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queue")
    parser.add_argument("outbox")
    args = parser.parse_args()

    leaving = asked_to_end()
    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # basic_publish raises unless the result is in the queue
        channel.basic_qos(prefetch_count=100)
        for method, _, body in channel.consume(args.queue, inactivity_timeout=0.2):
            if leaving.is_set():
                break  # what is not acknowledged goes back to the queue
            if method is not None:
                translate(args, channel, method, body)


if __name__ == "__main__":
    main()
