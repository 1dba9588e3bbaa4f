"""An inventory that several orders want the same pens from: two ways to put one back, two to say no.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_shelf.py TOPIC GROUP DATABASE --put-back one --none-left wait
"""

import argparse
import json
import sqlite3

import shop
import shop_inventory

TABLES = """
    CREATE TABLE IF NOT EXISTS reserved (order_id INTEGER PRIMARY KEY, pieces_before INTEGER);
    CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY, event TEXT);
"""
PIECES = "SELECT pieces FROM stock WHERE item = ?"


class Shelf:
    """What follows an event; `args` say how to put back, and what to say when none is left."""

    def __init__(self, args: argparse.Namespace) -> None:
        """With two tables more."""
        self.args = args
        shop.connect(args.database).executescript(TABLES)

    def reserve(self, database: sqlite3.Connection, event: shop.Event) -> str | None:
        """Take a pen. If there is none, but some are only reserved, the order may have to wait."""
        [before] = database.execute(PIECES, [event["data"]["item"]]).fetchone()
        answer = shop_inventory.reserve(database, event)
        if answer == "stock.reserved":
            row = [event["data"]["order"], before]
            database.execute("INSERT INTO reserved VALUES (?, ?)", row)
        elif self.args.none_left == "wait" and any(database.execute("SELECT 1 FROM reserved")):
            database.execute("INSERT INTO waiting (event) VALUES (?)", [json.dumps(event)])
            return None
        return answer

    def release(self, database: sqlite3.Connection, event: shop.Event) -> str:
        """Put the pen back: one more than there are, or the number that there was before."""
        [before] = self.settle(database, event)
        if self.args.put_back == "one":
            shop_inventory.release(database, event)
        else:
            change = "UPDATE stock SET pieces = ? WHERE item = ?"
            database.execute(change, [before, event["data"]["item"]])
        self.ask_again(database)
        return "stock.released"

    def sell(self, database: sqlite3.Connection, event: shop.Event) -> None:
        """The order is confirmed: its pen won't come back."""
        self.settle(database, event)
        self.ask_again(database)

    def settle(self, database: sqlite3.Connection, event: shop.Event) -> tuple[int]:
        """The order's pen is not only reserved any more; how many there were before it."""
        done = "DELETE FROM reserved WHERE order_id = ? RETURNING pieces_before"
        return database.execute(done, [event["data"]["order"]]).fetchone()

    def ask_again(self, database: sqlite3.Connection) -> None:
        """Those who wait are treated as if they came now."""
        waiting = database.execute("DELETE FROM waiting RETURNING position, event").fetchall()
        for _, text in sorted(waiting):
            event = json.loads(text)
            if answer := self.reserve(database, event):
                made = shop.new_event(answer, event["data"], "inventory", cause=event)
                database.execute("INSERT INTO outbox (event) VALUES (?)", [json.dumps(made)])


def main() -> None:
    """Work until SIGTERM."""
    parser = shop.arguments("inventory")
    parser.add_argument("--put-back", choices=["number", "one"], default="one")
    parser.add_argument("--none-left", choices=["refuse", "wait"], default="refuse")
    args = parser.parse_args()
    shelf = Shelf(args)
    reactions = {
        "order.placed": shelf.reserve,
        "payment.refused": shelf.release,
        "order.confirmed": shelf.sell,
    }
    shop.serve("inventory", reactions, args=args)


if __name__ == "__main__":
    main()
