"""The shop's payment service: it charges the customer's card, up to 100.00.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_payment.py TOPIC GROUP DATABASE
"""

import sqlite3

import shop

LIMIT = 100_00  # cents


def charge(database: sqlite3.Connection, event: shop.Event) -> str:
    """Charge the card, unless it is refused."""
    order, cents = event["data"]["order"], event["data"]["cents"]
    if cents > LIMIT:
        return "payment.refused"
    database.execute("INSERT INTO charges VALUES (?, ?)", [order, cents])
    return "payment.taken"


REACTIONS = {"stock.reserved": charge, "charge.card": charge}  # an event, or a command

if __name__ == "__main__":
    shop.serve("payment", REACTIONS)
