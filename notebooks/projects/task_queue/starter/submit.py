"""Submits a job for each image of a folder, and ends. Works as long as nothing goes wrong.

By hand: python submit.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --images FOLDER
"""

import argparse
import json
from pathlib import Path

import pika


def main():
    """Submit them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="amqp://… of each node")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    parser.add_argument("--images", type=Path, required=True, help="the folder")
    args = parser.parse_args()
    with pika.BlockingConnection(pika.URLParameters(args.brokers[0])) as connection:
        channel = connection.channel()
        channel.queue_declare(f"{args.name}.jobs", durable=True)
        for image in sorted(args.images.iterdir()):
            channel.basic_publish("", f"{args.name}.jobs", json.dumps({"image": image.name}))


if __name__ == "__main__":
    main()
