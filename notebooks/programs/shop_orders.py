"""The shop's order service: it ends the story of an order, and directs it if there are commands.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_orders.py TOPIC GROUP DATABASE
"""

import sqlite3
import sys

import shop


def state(database: sqlite3.Connection, event: shop.Event, name: str) -> str:
    """Note how far the order has come."""
    order, cents = event["data"]["order"], event["data"]["cents"]
    put = "INSERT OR REPLACE INTO orders (id, state, cents) VALUES (?, ?, ?)"
    database.execute(put, [order, name, cents])
    return name


def then(name: str) -> shop.Work:
    """The work that notes this state, and tells others of it."""
    return lambda database, event: state(database, event, name)


CHOREOGRAPHY = {
    "payment.taken": then("order.confirmed"),
    "stock.released": then("order.cancelled"),
    "stock.missing": then("order.cancelled"),
}
ORCHESTRATION = {
    "order.placed": then("reserve.stock"),
    "stock.reserved": then("charge.card"),
    "payment.taken": then("order.confirmed"),
    "payment.refused": then("release.stock"),
    "stock.released": then("order.cancelled"),
    "stock.missing": then("order.cancelled"),
}

if __name__ == "__main__":
    directs = "--commands" in sys.argv
    shop.serve("orders", ORCHESTRATION if directs else CHOREOGRAPHY, listens_to="topic")
