"""Counts who has registered, by day and country. It keeps numbers, and nothing of a person.
Works as long as nothing goes wrong.

By hand: python analytics.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

from functools import partial

import subscriber
from events import REGISTERED

TABLE = """CREATE TABLE IF NOT EXISTS registrations
    (day TEXT, country TEXT, number INTEGER, PRIMARY KEY (day, country));"""
ONE_MORE = """INSERT INTO registrations VALUES (?, ?, 1)
    ON CONFLICT (day, country) DO UPDATE SET number = number + 1"""


def handle(database, event):
    """Count a registration; who goes again has come all the same."""
    if event["type"] == REGISTERED:
        database.execute(ONE_MORE, [event["data"]["day"], event["data"]["country"]])


def main():
    """Count until somebody ends us."""
    args = subscriber.arguments(__doc__.partition(".")[0]).parse_args()
    database = subscriber.connect(args, TABLE)
    subscriber.follow(args, "analytics", partial(handle, database))


if __name__ == "__main__":
    main()
