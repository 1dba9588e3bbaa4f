"""The order service: it directs the others, and knows how far each order is.

By hand: python orders.py --brokers amqp://guest:guest@127.0.0.1:5672 --name shop --database FILE
"""

from functools import partial

import messages

STEPS = {  # the next step of an order, by its last step and by what has happened
    ("new", "order.placed"): "reserve.stock",
    ("reserve.stock", "stock.reserved"): "charge.card",
    ("charge.card", "payment.taken"): "ship.parcel",
    ("ship.parcel", "parcel.shipped"): "order.confirmed",
    # and back
    ("ship.parcel", "parcel.refused"): "refund.card",
    ("refund.card", "payment.refunded"): "release.stock",
    ("charge.card", "payment.refused"): "release.stock",
    ("release.stock", "stock.released"): "order.cancelled",
    ("reserve.stock", "stock.missing"): "order.cancelled",
}
TABLES = "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, state TEXT)"


def take_next_step(event, database, order):
    """Note the next step, and name it; none if the last one does not wait for this event."""
    find = "SELECT state FROM orders WHERE id = ?"
    [last] = database.execute(find, [order["order"]]).fetchone() or ["new"]
    step = STEPS.get((last, event))
    if step:
        database.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", [order["order"], step])
    return step


def main():
    """Direct the services until we are asked to end."""
    args = messages.arguments("order").parse_args()
    database = messages.open_database(args.database, TABLES)
    reactions = {event: partial(take_next_step, event) for _, event in STEPS}
    messages.serve("orders", args, database, reactions)


if __name__ == "__main__":
    main()
