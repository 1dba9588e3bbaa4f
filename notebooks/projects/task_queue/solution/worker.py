"""Takes jobs, and makes a thumbnail for each: at most 200 pixels wide and high, a JPEG.

A job is acknowledged when its thumbnail is there. What can't be made goes to the parking queue, with
the reason. When the broker ends, so does this; who has started it starts it again.

By hand: python worker.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --images A --thumbnails B
"""

import errno
import json
import os
import time
import uuid
from functools import partial
from pathlib import Path

import jobs
from PIL import Image

from helpers.programs import asked_to_end

SIZE = 200, 200  # pixels
LONGEST = 200  # bytes of an image's name: that of its thumbnail is longer
PIXELS = 50_000_000  # the largest picture that we are ready to unpack


class BadJobError(Exception):
    """A job that will never succeed."""


def image_of(body, folder):
    """The file that a job names.

    Raises:
        BadJobError: it names none, or one outside the folder.
    """
    try:
        name = json.loads(body)["image"]
        path = folder / name
        there = path.is_file()
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise BadJobError(f"no job: {error!r}") from error
    if path.parent != folder or path.name != name or not there:  # ./a.png is counted as another one
        raise BadJobError(f"no image {name!r} in the folder")
    if len(os.fsencode(name)) > LONGEST:
        raise BadJobError(f"a name of more than {LONGEST} bytes")
    return path


def make_thumbnail(path, target):
    """Write it beside its place first: what has the final name is whole.

    Raises:
        BadJobError: the file is no picture, or too large a one.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > PIXELS:
                raise BadJobError(f"{image.width} × {image.height} pixels are too many")
            small = image.convert("RGB")
            small.thumbnail(SIZE)
    except (BadJobError, MemoryError):
        raise
    except Exception as error:  # a stranger's file: each of thirty decoders fails in its own way
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk, and not of the picture: it may be well later
        raise BadJobError(f"no picture: {error!r}") from error
    draft = target.with_name(f".{target.name}.{uuid.uuid4()}")  # another worker may be at it, too
    small.save(draft, "JPEG")
    draft.replace(target)


def work(args, channel, method, _properties, body):
    """Called for each job."""
    try:
        path = image_of(body, args.images)
        print("working", path.name, time.monotonic(), flush=True)
        make_thumbnail(path, args.thumbnails / f"{path.name}.jpg")
    except BadJobError as error:
        why = jobs.persistent(headers={"reason": str(error)})
        channel.basic_publish("", f"{args.name}.{jobs.PARKED}", body, why, mandatory=True)
    else:
        channel.basic_publish("", f"{args.name}.{jobs.DONE}", body, jobs.persistent())
        print("handled", path.name, time.monotonic(), flush=True)
    channel.basic_ack(method.delivery_tag)


def main():
    """Work until we are asked to end."""
    parser = jobs.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="where they are")
    parser.add_argument("--thumbnails", type=Path, required=True, help="where they are to go")
    args = parser.parse_args()
    asked = asked_to_end()
    channel = jobs.connect(args.brokers)
    jobs.declare(channel, args.name)
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)  # what one has in hand, no other can do
    channel.basic_consume(f"{args.name}.{jobs.JOBS}", partial(work, args))
    while not asked.is_set():
        channel.connection.process_data_events(time_limit=0.2)
    channel.connection.close()


if __name__ == "__main__":
    main()
