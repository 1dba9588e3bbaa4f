"""Takes alerts, and puts a copy into the queue of each channel. Works as long as nothing goes wrong.

By hand: python dispatch.py --broker amqp://guest:guest@127.0.0.1:5672 --name try
"""

import argparse
import json
from functools import partial

import pika


def dispatch(name, channel, method, _properties, body):
    """Called for each alert."""
    channel.basic_ack(method.delivery_tag)
    for channel_name in json.loads(body)["to"]:
        channel.basic_publish("", f"{name}.{channel_name}", body)


def main():
    """Dispatch until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", required=True, help="amqp://…")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    args = parser.parse_args()
    with pika.BlockingConnection(pika.URLParameters(args.broker)) as connection:
        channel = connection.channel()
        for queue in ("alerts", "email", "sms", "chat", "parked"):
            channel.queue_declare(f"{args.name}.{queue}", durable=True)
        channel.basic_consume(f"{args.name}.alerts", partial(dispatch, args.name))
        channel.start_consuming()


if __name__ == "__main__":
    main()
