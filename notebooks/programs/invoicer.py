"""Takes orders from one queue and leaves an invoice for each in another; both over STOMP.

It prints "handled ORDER TIME" when it has charged the card for an order, and "done ORDER TIME" when the order
is off its queue; TIME in seconds of a clock that all processes share. At the order that it is told it prints
"paused" and stands still, after it has left the invoice and before it is done.
"""

import argparse
from types import SimpleNamespace

from middleware import connect

from helpers import wait_until
from helpers.programs import pause, say


def serve(connection, post, in_transaction, pause_at):
    """One order after the other, as they come."""
    connection.subscribe("/queue/orders", id="1", ack="client-individual")
    seen = 0
    while True:
        wait_until(lambda: len(post.messages) > seen, "an order", timeout=60)  # noqa: B023
        order = post.messages[seen]
        seen += 1
        handle(connection, post, order, in_transaction, pause_at)


def handle(connection, post, order, in_transaction, pause_at):
    """Charge the card, leave the invoice, acknowledge the order."""
    say("handled", order.body)  # the card is charged here
    transaction = connection.begin() if in_transaction else None
    in_it = {"transaction": transaction} if transaction else {}
    invoice = {"persistent": "true", "receipt": f"invoice-{order.body}"}
    connection.send("/queue/invoices", order.body, **invoice, **in_it)
    wait_until(lambda: invoice["receipt"] in post.receipts, "the broker's receipt")
    if order.body == pause_at:
        pause()
    connection.ack(order.headers["ack"], receipt=f"ack-{order.body}", **in_it)
    if transaction:
        connection.commit(transaction, receipt=f"commit-{order.body}")
    last = f"{'commit' if transaction else 'ack'}-{order.body}"
    wait_until(lambda: last in post.receipts, "the broker's receipt")
    say("done", order.body)


def main():
    """Serve until somebody ends us, or no order comes for a minute."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--in-transaction", action="store_true")
    parser.add_argument("--pause-at", help="an order")
    args = parser.parse_args()
    connection, post = connect(SimpleNamespace(stomp=(args.host, args.port)))
    serve(connection, post, args.in_transaction, args.pause_at)


if __name__ == "__main__":
    main()
