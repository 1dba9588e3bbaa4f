"""Takes orders from a queue, and appends each to a file as a line.

By hand: python consumer.py --broker amqp://guest:guest@127.0.0.1:5672 --queue orders --file orders
"""

import argparse
from functools import partial

import pika

from helpers.programs import asked_to_end


def handle(file, channel, method, _properties, body):
    """Called for each order: first the line, then the word to the broker."""
    with open(file, "ab") as lines:
        lines.write(body + b"\n")
    channel.basic_ack(method.delivery_tag)


def main():
    """Consume until we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("--broker", "--queue", "--file"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    asked = asked_to_end()
    with pika.BlockingConnection(pika.URLParameters(args.broker)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)  # by default it is sent all that there is
        channel.basic_consume(args.queue, partial(handle, args.file))
        while not asked.is_set():
            connection.process_data_events(time_limit=0.2)


if __name__ == "__main__":
    main()
