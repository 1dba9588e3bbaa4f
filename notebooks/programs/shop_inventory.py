"""The shop's inventory service: it reserves a piece for an order, and releases it.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_inventory.py TOPIC GROUP DATABASE
"""

import sqlite3

import shop


def reserve(database: sqlite3.Connection, event: shop.Event) -> str:
    """Take a piece out of the stock, if there is one."""
    take = "UPDATE stock SET pieces = pieces - 1 WHERE item = ? AND pieces > 0"
    taken = database.execute(take, [event["data"]["item"]]).rowcount
    return "stock.reserved" if taken else "stock.missing"


def release(database: sqlite3.Connection, event: shop.Event) -> str:
    """Put it back: the order will not be sent."""
    put_back = "UPDATE stock SET pieces = pieces + 1 WHERE item = ?"
    database.execute(put_back, [event["data"]["item"]])
    return "stock.released"


REACTIONS = {
    "order.placed": reserve,  # an event: nobody directs
    "payment.refused": release,
    "payment.refunded": release,
    "reserve.stock": reserve,  # a command: somebody does
    "release.stock": release,
}

if __name__ == "__main__":
    shop.serve("inventory", REACTIONS)
