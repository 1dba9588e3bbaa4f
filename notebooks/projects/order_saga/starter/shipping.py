"""The shipping service: it sends a parcel, if the address is one.

By hand: python shipping.py --brokers amqp://guest:guest@127.0.0.1:5672 --name shop --database FILE
"""

import messages

TABLES = "CREATE TABLE IF NOT EXISTS parcels (order_id INTEGER, address TEXT)"


def ship(database, order):
    """Hand the parcel over to the post: from here on there is no way back."""
    if order["address"] == "unknown":
        return "parcel.refused"
    database.execute("INSERT INTO parcels VALUES (:order, :address)", order)
    return "parcel.shipped"


def main():
    """Ship until we are asked to end."""
    args = messages.arguments("shipping").parse_args()
    database = messages.open_database(args.database, TABLES)
    messages.serve("shipping", args, database, {"ship.parcel": ship})


if __name__ == "__main__":
    main()
