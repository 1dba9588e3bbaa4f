"""Counts the images that are done; prints "progress N". Works as long as nothing goes wrong.

By hand: python progress.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --database FILE
"""

import argparse

import pika


def main():
    """Count until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    parser.add_argument("--database", required=True, help="a file, if one is of use")
    args = parser.parse_args()
    done = 0
    with pika.BlockingConnection(pika.URLParameters(args.brokers[0])) as connection:
        channel = connection.channel()
        channel.queue_declare(f"{args.name}.done", durable=True)
        for method, _properties, _body in channel.consume(f"{args.name}.done"):
            done += 1
            print("progress", done, flush=True)
            channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    main()
