"""Puts back what is parked of a channel, and ends. Works as long as nothing goes wrong.

By hand: python replay.py --broker amqp://guest:guest@127.0.0.1:5672 --name try --channel sms
"""

import argparse

import pika


def main():
    """Put it back."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", required=True, help="amqp://…")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    parser.add_argument("--channel", choices=["email", "sms", "chat"], required=True)
    args = parser.parse_args()
    with pika.BlockingConnection(pika.URLParameters(args.broker)) as connection:
        channel = connection.channel()
        queue = f"{args.name}.{args.channel}"
        while (got := channel.basic_get(f"{queue}.parked", auto_ack=True))[0]:
            channel.basic_publish("", queue, got[2])


if __name__ == "__main__":
    main()
