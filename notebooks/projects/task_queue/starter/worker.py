"""Takes jobs, and makes a thumbnail for each. Works as long as nothing goes wrong.

By hand: python worker.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --images A --thumbnails B
"""

import argparse
import json
from functools import partial
from pathlib import Path

import pika
from PIL import Image


def work(args, channel, method, _properties, body):
    """Called for each job."""
    channel.basic_ack(method.delivery_tag)
    name = json.loads(body)["image"]
    with Image.open(args.images / name) as image:
        small = image.convert("RGB")
        small.thumbnail((200, 200))
        small.save(args.thumbnails / f"{name}.jpg", "JPEG")
    channel.basic_publish("", f"{args.name}.done", body)


def main():
    """Work until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    parser.add_argument("--images", type=Path, required=True, help="where they are")
    parser.add_argument("--thumbnails", type=Path, required=True, help="where they are to go")
    args = parser.parse_args()
    with pika.BlockingConnection(pika.URLParameters(args.brokers[0])) as connection:
        channel = connection.channel()
        for queue in ("jobs", "done", "parked"):
            channel.queue_declare(f"{args.name}.{queue}", durable=True)
        channel.basic_consume(f"{args.name}.jobs", partial(work, args))
        channel.start_consuming()


if __name__ == "__main__":
    main()
