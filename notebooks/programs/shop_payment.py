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


def refund(database: sqlite3.Connection, event: shop.Event) -> str:
    """Give back what was taken for this order, be it nothing."""
    taken = "SELECT order_id, -SUM(cents) FROM charges WHERE order_id = ? GROUP BY order_id"
    database.execute(f"INSERT INTO charges {taken}", [event["data"]["order"]])
    return "payment.refunded"


REACTIONS = {
    "stock.reserved": charge,  # an event: nobody directs
    "parcel.refused": refund,
    "charge.card": charge,  # a command: somebody does
    "refund.card": refund,
}

if __name__ == "__main__":
    shop.serve("payment", REACTIONS)
