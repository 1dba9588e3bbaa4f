"""The readers of the newsletter: everybody who wants it, whenever he registered.

This service came later than the others. It reads the topic from the beginning, as they did.

By hand: python newsletter.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

from functools import partial

import subscriber
from events import DELETED, REGISTERED

TABLE = """CREATE TABLE IF NOT EXISTS people
        (user TEXT PRIMARY KEY, email TEXT, name TEXT, news INTEGER);
    CREATE VIEW IF NOT EXISTS readers AS SELECT user, email, name FROM people WHERE news;"""


def handle(database, event):
    """Bring the list up to date."""
    user, data = event["subject"], event["data"]
    with database:
        if not subscriber.is_new(database, event):
            return
        if event["type"] == REGISTERED:
            row = [user, data["email"], data["name"], data["news"]]
            database.execute("INSERT OR IGNORE INTO people VALUES (?, ?, ?, ?)", row)
        elif event["type"] == DELETED:
            database.execute("DELETE FROM people WHERE user = ?", [user])
        else:
            change = (
                "UPDATE people SET name = ifnull(?, name), news = ifnull(?, news) WHERE user = ?"
            )
            database.execute(change, [data.get("name"), data.get("news"), user])


def main():
    """Keep the list until we are asked to end."""
    args = subscriber.arguments(__doc__.partition("\n")[0]).parse_args()
    database = subscriber.connect(args, TABLE)
    subscriber.follow(args, "newsletter", partial(handle, database))


if __name__ == "__main__":
    main()
