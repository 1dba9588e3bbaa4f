"""Counts the images that are done, each once, however often it was done; prints "progress N".

The count is in a database, with the ids: it goes on where it was when this is started again.

By hand: python progress.py --brokers amqp://guest:guest@127.0.0.1:5672 --name try --database FILE
"""

import json
import sqlite3
from functools import partial

import jobs

from helpers.programs import asked_to_end


def count(database, channel, method, _properties, body):
    """Called for each image that is done."""
    with database:
        database.execute("INSERT OR IGNORE INTO done VALUES (?)", [json.loads(body)["image"]])
    tell(database)
    channel.basic_ack(method.delivery_tag)


def tell(database):
    """Print how many are done."""
    [number] = database.execute("SELECT count(*) FROM done").fetchone()
    print("progress", number, flush=True)


def main():
    """Count until we are asked to end."""
    parser = jobs.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--database", required=True, help="a file, which is made if need be")
    args = parser.parse_args()
    asked = asked_to_end()
    database = sqlite3.connect(args.database)
    database.execute("CREATE TABLE IF NOT EXISTS done (image TEXT PRIMARY KEY)")
    tell(database)
    channel = jobs.connect(args.brokers)
    jobs.declare(channel, args.name)
    channel.basic_qos(prefetch_count=10)
    channel.basic_consume(f"{args.name}.{jobs.DONE}", partial(count, database))
    while not asked.is_set():
        channel.connection.process_data_events(time_limit=0.2)
    channel.connection.close()


if __name__ == "__main__":
    main()
