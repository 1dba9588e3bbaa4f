"""The shop's order service, when there are parcels and deadlines: it knows how far each order is.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_sagas.py TOPIC GROUP DATABASE --commands COMMANDS
"""

import json
import sqlite3
import time

import shop

TABLE = """
    CREATE TABLE IF NOT EXISTS sagas (order_id INTEGER PRIMARY KEY, step TEXT, since REAL, data TEXT)
"""
LATE = "SELECT data FROM sagas WHERE step = 'charge.card' AND since < ?"


def steps(directed: bool) -> dict[tuple[str, str], str]:
    """The next step of an order, by its last step and by what has happened."""
    if not directed:  # the others know by themselves what to do
        return {
            ("new", "parcel.shipped"): "order.confirmed",
            ("new", "stock.released"): "order.cancelled",
            ("new", "stock.missing"): "order.cancelled",
        }
    return {
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


def last_step(database: sqlite3.Connection, order: int) -> str:
    """The step that was taken last."""
    find = "SELECT step FROM sagas WHERE order_id = ?"
    found = database.execute(find, [order]).fetchone()
    return found[0] if found else "new"


def take(database: sqlite3.Connection, step: str, data: dict) -> str:
    """Note the next step; it is sent by the outbox."""
    row = [data["order"], step, time.time(), json.dumps(data)]
    database.execute("INSERT OR REPLACE INTO sagas VALUES (?, ?, ?, ?)", row)
    return step


def main() -> None:
    """Direct the services if there is a topic of commands, or else only note the ends."""
    parser = shop.arguments("orders")
    parser.add_argument("--patience", type=float, help="seconds for the card to be charged")
    parser.add_argument("--when-late", choices=["release.stock", "refund.card"])
    parser.add_argument(
        "--forgetful", action="store_true", help="answers count, whatever the last step"
    )
    args = parser.parse_args()
    shop.connect(args.database).executescript(TABLE)
    following = steps(directed=args.commands is not None)

    def react(database: sqlite3.Connection, event: shop.Event) -> str | None:
        """The next step; none, if the last one does not wait for this answer."""
        last = last_step(database, event["data"]["order"])
        if args.forgetful:
            last = next(before for before, kind in following if kind == event["type"])
        step = following.get((last, event["type"]))
        return take(database, step, event["data"]) if step else None

    def give_up_late_ones(service: shop.Service) -> None:
        """Turn back where the card has not been charged in time."""
        if args.patience is None:
            return
        database, turned = service.database, []
        with database:
            for (text,) in database.execute(LATE, [time.time() - args.patience]).fetchall():
                data = json.loads(text)
                event = shop.new_event(take(database, args.when_late, data), data, "orders")
                database.execute("INSERT INTO outbox (event) VALUES (?)", [json.dumps(event)])
                turned.append(data["order"])
        shop.relay(service)
        for order in turned:
            print("gave up", order, flush=True)

    reactions = {kind: react for _, kind in following}
    shop.serve("orders", reactions, "topic", args, give_up_late_ones)


if __name__ == "__main__":
    main()
