"""The payment service: it charges a customer's account, and gives back what it took.

By hand: python payment.py --brokers amqp://guest:guest@127.0.0.1:5672 --name shop --database FILE \
--accounts accounts.json
"""

import json
from pathlib import Path

import messages

TABLES = """
    CREATE TABLE IF NOT EXISTS accounts (customer TEXT PRIMARY KEY, cents INTEGER);
    CREATE TABLE IF NOT EXISTS charges (order_id INTEGER, cents INTEGER);
"""


def charge(database, order):
    """Take the money, if there is enough of it."""
    take = """UPDATE accounts SET cents = cents - :cents
        WHERE customer = :customer AND cents >= :cents"""
    if not database.execute(take, order).rowcount:
        return "payment.refused"
    database.execute("INSERT INTO charges VALUES (:order, :cents)", order)
    return "payment.taken"


def refund(database, order):
    """Give back what was taken for this order, be it nothing."""
    find = "SELECT coalesce(sum(cents), 0) FROM charges WHERE order_id = :order"
    [taken] = database.execute(find, order).fetchone()
    give = "UPDATE accounts SET cents = cents + ? WHERE customer = ?"
    database.execute(give, [taken, order["customer"]])
    database.execute("INSERT INTO charges VALUES (?, ?)", [order["order"], -taken])
    return "payment.refunded"


def main():
    """Charge until we are asked to end."""
    parser = messages.arguments("payment")
    parser.add_argument("--accounts", type=Path, required=True, help="a customer's cents, as JSON")
    args = parser.parse_args()
    database = messages.open_database(args.database, TABLES)
    with database:  # the first time only: later we know better
        opening = json.loads(args.accounts.read_text()).items()
        database.executemany("INSERT OR IGNORE INTO accounts VALUES (?, ?)", opening)
    reactions = {"charge.card": charge, "refund.card": refund}
    messages.serve("payment", args, database, reactions)


if __name__ == "__main__":
    main()
