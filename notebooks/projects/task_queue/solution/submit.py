"""Submits a job for each image of a folder, and ends when the broker has them all.

It remembers nothing: when it was killed, it is started again, and submits all of them once more. Who
works on a job twice must not do harm.

By hand: python submit.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --images FOLDER
"""

import json
import time
from pathlib import Path

import jobs
import pika

FULL = 0.05  # seconds to wait when the broker says that the queue is full


def submit(channel, queue, body):
    """Publish one job, and return when the broker has taken it."""
    while True:
        try:
            channel.basic_publish("", queue, body, jobs.persistent(), mandatory=True)
            return
        except pika.exceptions.NackError:  # no room: this is how the broker asks us to slow down
            channel.connection.sleep(FULL)


def main():
    """Submit them all."""
    parser = jobs.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="the folder")
    args = parser.parse_args()
    channel = jobs.connect(args.brokers)
    jobs.declare(channel, args.name)
    channel.confirm_delivery()
    for image in sorted(args.images.iterdir()):
        submit(channel, f"{args.name}.{jobs.JOBS}", json.dumps({"image": image.name}))
        print("submitted", image.name, time.monotonic(), flush=True)
    channel.connection.close()


if __name__ == "__main__":
    main()
