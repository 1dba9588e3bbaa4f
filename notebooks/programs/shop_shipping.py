"""The shop's shipping service: it sends the parcel, if the address is one.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_shipping.py TOPIC GROUP DATABASE
"""

import sqlite3

import shop


def ship(database: sqlite3.Connection, event: shop.Event) -> str:
    """Hand the parcel over to the post: from here on there is no way back."""
    if event["data"]["address"] == "unknown":
        return "parcel.refused"
    database.execute("INSERT INTO parcels VALUES (?)", [event["data"]["order"]])
    return "parcel.shipped"


REACTIONS = {"payment.taken": ship, "ship.parcel": ship}  # an event, or a command

if __name__ == "__main__":
    shop.serve("shipping", REACTIONS)
