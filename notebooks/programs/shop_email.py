"""The shop's email service: it writes to the customer of each order that was placed.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_email.py TOPIC GROUP
"""

import argparse
import json
import urllib.request

import shop


def order_of(event: shop.Event, ask: str | None) -> dict:
    """What the letter needs: from the event itself, or from the service that answers questions."""
    if ask is None:
        return event["data"]
    with urllib.request.urlopen(f"{ask}/orders/{event['data']['order']}", timeout=10) as answer:
        return json.load(answer)


def main() -> None:
    """Work until SIGTERM. A question that is not answered ends us: the event is not committed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topic")
    parser.add_argument("group", nargs="?", help="without one: only what comes while we run")
    parser.add_argument("--ask", metavar="URL", help="where to ask for an order")
    args = parser.parse_args()

    def handle(event: shop.Event) -> None:
        if event["type"] == "order.placed":
            order = order_of(event, args.ask)
            print("mailed", order["order"], order["email"], flush=True)

    shop.listen(args.topic, args.group, handle)


if __name__ == "__main__":
    main()
