"""The contacts of the people in sales: how to reach somebody, and how often he has changed anything.

By hand: python crm.py --brokers 127.0.0.1:9092 --name try --database FILE
"""

from functools import partial

import subscriber
from events import DELETED, REGISTERED

TABLE = """CREATE TABLE IF NOT EXISTS contacts
    (user TEXT PRIMARY KEY, email TEXT, name TEXT, changes INTEGER);"""


def handle(database, event):
    """Bring a contact up to date."""
    user, data = event["subject"], event["data"]
    with database:
        if not subscriber.is_new(database, event):
            return
        if event["type"] == REGISTERED:
            row = [user, data["email"], data["name"]]
            database.execute("INSERT OR IGNORE INTO contacts VALUES (?, ?, ?, 0)", row)
        elif event["type"] == DELETED:
            database.execute("DELETE FROM contacts WHERE user = ?", [user])
        else:
            change = (
                "UPDATE contacts SET name = ifnull(?, name), changes = changes + 1 WHERE user = ?"
            )
            database.execute(change, [data.get("name"), user])


def main():
    """Keep contacts until we are asked to end."""
    args = subscriber.arguments(__doc__.partition("\n")[0]).parse_args()
    database = subscriber.connect(args, TABLE)
    subscriber.follow(args, "crm", partial(handle, database))


if __name__ == "__main__":
    main()
