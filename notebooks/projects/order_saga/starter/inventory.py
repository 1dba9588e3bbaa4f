"""The inventory service: it reserves pieces for an order, and puts them back.

By hand: python inventory.py --brokers amqp://guest:guest@127.0.0.1:5672 --name shop --database FILE \
--stock stock.json
"""

import json
from pathlib import Path

import messages

TABLES = """
    CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, pieces INTEGER);
    CREATE TABLE IF NOT EXISTS reservations (order_id INTEGER, item TEXT, pieces INTEGER);
"""


def reserve(database, order):
    """Take the pieces out of the stock, if there are so many."""
    take = """UPDATE stock SET pieces = pieces - :pieces
        WHERE item = :item AND pieces >= :pieces"""
    if not database.execute(take, order).rowcount:
        return "stock.missing"
    database.execute("INSERT INTO reservations VALUES (:order, :item, :pieces)", order)
    return "stock.reserved"


def release(database, order):
    """Put back what was taken for this order: it will not be sent."""
    find = "SELECT coalesce(sum(pieces), 0) FROM reservations WHERE order_id = :order"
    [taken] = database.execute(find, order).fetchone()
    put_back = "UPDATE stock SET pieces = pieces + ? WHERE item = ?"
    database.execute(put_back, [taken, order["item"]])
    row = [order["order"], order["item"], -taken]
    database.execute("INSERT INTO reservations VALUES (?, ?, ?)", row)
    return "stock.released"


def main():
    """Reserve until we are asked to end."""
    parser = messages.arguments("inventory")
    parser.add_argument("--stock", type=Path, required=True, help="an item's pieces, as JSON")
    args = parser.parse_args()
    database = messages.open_database(args.database, TABLES)
    with database:  # the first time only: later we know better
        opening = json.loads(args.stock.read_text()).items()
        database.executemany("INSERT OR IGNORE INTO stock VALUES (?, ?)", opening)
    reactions = {"reserve.stock": reserve, "release.stock": release}
    messages.serve("inventory", args, database, reactions)


if __name__ == "__main__":
    main()
