"""One worker of a hub: it takes orders such as "7;1250" from a queue and passes them on as JSON.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/translator.py QUEUE OUTBOX
"""

import argparse
import json
import signal
import time
from functools import partial

import pika

from helpers import up

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def translate(args, channel, method, properties, body):
    """Called by pika for each order that the broker delivers."""
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

    with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # basic_publish raises unless the result is in the queue
        stop = partial(connection.add_callback_threadsafe, channel.stop_consuming)
        signal.signal(signal.SIGTERM, lambda *_: stop())
        channel.basic_qos(prefetch_count=100)
        channel.basic_consume(args.queue, partial(translate, args))
        channel.start_consuming()


if __name__ == "__main__":
    main()
