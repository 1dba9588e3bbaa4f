"""Keeps each person's profile: as he last said it is. Of whoever is deleted nothing stays.

By hand: python profiles.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

from functools import partial

import subscriber
from events import DELETED, REGISTERED

TABLE = """CREATE TABLE IF NOT EXISTS profiles
    (user TEXT PRIMARY KEY, email TEXT, name TEXT, address TEXT, country TEXT);"""
COLUMNS = "name", "address", "country"


def handle(database, event):
    """Bring a profile up to date."""
    user, data = event["subject"], event["data"]
    with database:
        if not subscriber.is_new(database, event):
            return
        if event["type"] == REGISTERED:
            row = [user, *(data[name] for name in ("email", *COLUMNS))]
            database.execute("INSERT OR IGNORE INTO profiles VALUES (?, ?, ?, ?, ?)", row)
        elif event["type"] == DELETED:
            database.execute("DELETE FROM profiles WHERE user = ?", [user])
        else:
            change = "UPDATE profiles SET name = ifnull(?, name), address = ifnull(?, address),"
            change += " country = ifnull(?, country) WHERE user = ?"
            database.execute(change, [*(data.get(name) for name in COLUMNS), user])


def main():
    """Keep profiles until we are asked to end."""
    args = subscriber.arguments(__doc__.partition("\n")[0]).parse_args()
    database = subscriber.connect(args, TABLE)
    subscriber.follow(args, "profiles", partial(handle, database))


if __name__ == "__main__":
    main()
