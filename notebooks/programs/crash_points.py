"""Inventory, killed at each step from the transaction to the publish, and what became of its events."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kafka import KafkaProducer

from helpers import Program, clients, fresh, wait_until
from helpers.brokers import Brokers

from . import shop

STEPS = {  # where a death makes a difference; each way ends with a step after which all is done
    "commit-first": ["work", "commit", "end"],
    "publish-first": ["work", "publish", "end"],
    "outbox": ["work", "commit", "publish", "end"],
}


def kill_everywhere(brokers: Brokers, folder: Path) -> dict[str, dict[str, int]]:
    """Each way at the same time, with a topic and a database of its own; a row for each death."""
    with ThreadPoolExecutor() as pool:
        ways = pool.map(lambda way: kill_at_each(brokers, way, folder), STEPS)
        return {death: counted for way in ways for death, counted in way.items()}


def kill_at_each(brokers: Brokers, way: str, folder: Path) -> dict[str, dict[str, int]]:
    """Kill it after the first step of order 1, the second of order 2, …; what it did to each."""
    topic, group, path = fresh("shop"), fresh("inventory"), folder / f"{way}.db"
    clients.make_topic(brokers, topic)
    with shop.connect(str(path)) as database:
        database.execute("INSERT INTO stock VALUES ('pen', 9)")
    with KafkaProducer(acks="all", **brokers.kafka) as producer:
        for order in range(1, len(STEPS[way]) + 1):
            data = {"order": order, "item": "pen", "cents": 30_00}
            shop.publish(producer, topic, shop.new_event("order.placed", data))

    service = ["shop_inventory.py", topic, group, path, "--way", way]
    for order, step in enumerate(STEPS[way], start=1):
        doomed = Program(*service, "--pause-after", step, "--pause-at", order)
        doomed.wait_for("paused", timeout=40)
        doomed.kill()
    last = Program(*service)
    wait_until(lambda: clients.lag(brokers, topic, group) == 0, f"{way} to be done", timeout=40)
    last.stop()

    events = [json.loads(record.value) for record in clients.read_topic(brokers, topic)]
    handled = {row[0] for row in shop.connect(str(path)).execute("SELECT event_id FROM handled")}
    return {
        f"{way}, killed after {step}": compare(order, events, handled)
        for order, step in enumerate(STEPS[way], start=1)
    }


def compare(order: int, events: list[shop.Event], handled: set[str]) -> dict[str, int]:
    """What the database says of an order's work, beside what the topic says."""
    story = [event for event in events if event["data"]["order"] == order]
    done = sum(event["id"] in handled for event in story)  # 1: its work is in the database
    ids = [event["id"] for event in story if event["type"] == "stock.reserved"]
    told = len(set(ids))
    lost, invented = max(done - told, 0), max(told - done, 0)
    return {"lost": lost, "invented": invented, "duplicated": len(ids) - told}
