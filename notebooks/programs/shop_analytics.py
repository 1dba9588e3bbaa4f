"""The shop's analytics service: it adds up what was ordered.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_analytics.py TOPIC GROUP
"""

import sys

import shop

takings = {"cents": 0}


def add(event: shop.Event) -> None:
    """Called for each event of the topic."""
    if event["type"] == "order.placed":
        takings["cents"] += event["data"]["cents"]


if __name__ == "__main__":
    topic, group = sys.argv[1:]
    shop.listen(topic, group, add)
