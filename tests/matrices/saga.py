"""The saga's crash matrix: each service of the shop, killed after each step of each thing it does.

By choreography and by orchestration, on Kafka and on RabbitMQ, and for each fate of an order. The
places are not listed here: an order of each fate goes through unharmed first, and what each service
said to what it heard is what it is killed at. Every order has pens, a card and a parcel of its own, so
that what one death did can't be hidden by another's.
"""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from helpers import wait_until
from helpers.brokers import Brokers
from helpers.programs import PAUSED, module

running_shop = module("running_shop.py")
SHOPS = {"Kafka": running_shop.RunningShop, "RabbitMQ": module("rabbitmq_shop.py").RabbitMQShop}
DIRECTED = {"choreography": False, "orchestration": True}

CENTS = 30_00
GOOD = {"cents": CENTS, "address": "1 High Street"}
FATES = {
    "all goes well": GOOD,
    "nothing in stock": GOOD,
    "card refused": GOOD | {"cents": 500_00},
    "address unknown": GOOD | {"address": "unknown"},
}
PIECES = {fate: 0 if fate == "nothing in stock" else 5 for fate in FATES}
PLACES = {  # after each step: rows in the outbox for what is to be said, and whether it was said
    ("outbox", "work"): (0, False),
    ("outbox", "commit"): (1, False),
    ("outbox", "publish"): (1, True),
    ("outbox", "end"): (0, True),
    # without an outbox: the step between the two that no transaction covers
    ("commit-first", "commit"): (0, False),
    ("publish-first", "publish"): (0, True),
}
NO_TABLE_YET = (sqlite3.OperationalError,)  # of a service that has not started
CONSERVED = {"confirmed": (1, CENTS, 1), "cancelled": (0, 0, 0)}

COLUMNS = (
    *("way", "broker", "published", "fate", "service", "heard", "killed after"),
    *("ended", "pens", "cents", "parcels", "conserved"),
)
Row = list[Any]  # in the order of COLUMNS


@dataclass(frozen=True)
class Death:
    """A service dies after a step of what it does for an order when it has heard something of it."""

    published: str
    fate: str
    service: str
    heard: str
    said: str
    step: str

    def options(self, order: int) -> list[object]:
        """What the service is told, to pause there for this order."""
        event = self.said if (self.published, self.step) == ("outbox", "publish") else self.heard
        return ["--pause-after", self.step, "--pause-at", order, event]

    def place(self) -> list[str]:
        """The columns that say where it is."""
        return [self.published, self.fate, self.service, self.heard, self.step]


def rows(brokers: Brokers) -> list[Row]:
    """The whole matrix, two shops at a time."""
    every = [(broker, way) for broker in SHOPS for way in DIRECTED]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: kill_everywhere(brokers, *one), every))
    return [row for each in found for row in each]


def kill_everywhere(brokers: Brokers, broker: str, way: str) -> list[Row]:
    """Each death in one shop, apart by the way to publish."""
    every = deaths(brokers, broker, way)
    found = []
    for published in ("outbox", "commit-first", "publish-first"):
        chosen = [death for death in every if death.published == published]
        found += [[way, broker, *row] for row in kill_at_each(brokers, broker, way, chosen)]
    return found


def deaths(brokers: Brokers, broker: str, way: str) -> list[Death]:
    """All of them: with an outbox at each step; without one, for a good order, at the open step."""
    shop = SHOPS[broker](brokers, DIRECTED[way], running_shop.WITH_PARCELS)
    for order, fate in enumerate(FATES, start=1):
        place(shop, order, fate)
    shop.wait_until_done()
    events = shop.events()
    shop.stop()
    kind = {event["id"]: event["type"] for event in events}
    told = sorted((event for event in events if event["causationid"]), key=_order)
    return [
        Death(published, fate, _service(event), kind[event["causationid"]], event["type"], step)
        for published, step in PLACES
        for event in told
        for fate in [list(FATES)[_order(event) - 1]]
        if published == "outbox" or fate == "all goes well"
    ]


def kill_at_each(brokers: Brokers, broker: str, way: str, chosen: Sequence[Death]) -> list[Row]:
    """An order for each death; what is left, in the end, of that order's pens, card and parcel."""
    numbered = list(enumerate(chosen, start=1))
    published = ["--way", chosen[0].published]
    lives = {
        service: iter(
            [death.options(order) for order, death in numbered if death.service == service]
        )
        for service in running_shop.WITH_PARCELS
    }
    first = {service: [*published, *next(lives[service], [])] for service in lives}
    shop = SHOPS[broker](brokers, DIRECTED[way], running_shop.WITH_PARCELS, **first)
    for order, death in numbered:
        place(shop, order, death.fate)
        next_life = [*published, *next(lives[death.service], [])]
        die(shop, order, death, next_life)
        if death.published == "outbox":
            what = f"the end of order {order} after {death}"
            ended = partial(has_ended, shop, order)
            wait_until(ended, what, timeout=120, tolerate=NO_TABLE_YET)
        else:  # it may never end
            shop.wait_until_done()
    shop.wait_until_done()
    events = shop.events()
    shop.stop()
    found = []
    for order, death in numbered:
        ended, left = end(events, order), books(shop, order, death.fate)
        conserved = left == CONSERVED.get(ended)
        found.append([*death.place(), ended, *left, conserved])
    return found


def die(shop: Any, order: int, death: Death, next_life: list[object]) -> None:
    """Kill the service where it pauses, and start it anew.

    Raises:
        AssertionError: it did not pause at that place, or did not die of the signal.
    """
    doomed = shop.services[death.service]
    doomed.wait_for(PAUSED, timeout=60)
    outbox = [json.loads(text) for (text,) in ask(shop, death.service, "SELECT event FROM outbox")]
    same = (order, death.said)
    waiting, said = (
        sum((_order(event), event["type"]) == same for event in events)
        for events in (outbox, shop.events())
    )
    assert (waiting, said > 0) == PLACES[death.published, death.step], (death, waiting, said)
    shop.kill_when_paused(death.service, *next_life)
    assert doomed._started.wait(10) == -signal.SIGKILL, death


# -- the shop's books --------------------------------------------------------------------------


def place(shop: Any, order: int, fate: str) -> None:
    """Place an order for an item that nobody else wants."""
    item = f"pen-{order}"
    with closing(shop.database("inventory")) as database, database:
        database.execute("INSERT INTO stock VALUES (?, ?)", [item, PIECES[fate]])
    shop.place([{"order": order, "item": item, **FATES[fate]}])


def books(shop: Any, order: int, fate: str) -> tuple[int, int, int]:
    """The pens that are out, the cents taken, and the parcels sent for an order."""
    ((pieces,),) = ask(shop, "inventory", "SELECT pieces FROM stock WHERE item = ?", f"pen-{order}")
    taken = "SELECT IFNULL(SUM(cents), 0) FROM charges WHERE order_id = ?"
    ((cents,),) = ask(shop, "payment", taken, order)
    sent = "SELECT COUNT(*) FROM parcels WHERE order_id = ?"
    ((parcels,),) = ask(shop, "shipping", sent, order)
    return PIECES[fate] - pieces, cents, parcels


def has_ended(shop: Any, order: int) -> bool:
    """Is it confirmed or cancelled in the books of the service that knows it?"""
    found = ask(shop, "orders", "SELECT step FROM sagas WHERE order_id = ?", order)
    return bool(found) and found[0][0] in running_shop.ENDS


def end(events: list[dict], order: int) -> str:
    """What the customer is told of an order: confirmed, cancelled, both, or never anything."""
    said = {event["type"] for event in events if _order(event) == order}
    ends = sorted(name.removeprefix("order.") for name in said & set(running_shop.ENDS))
    return " and ".join(ends) or "never"


def ask(shop: Any, service: str, query: str, *parameters: object) -> list[tuple]:
    """What a service's database answers."""
    with closing(shop.database(service)) as database:
        return list(database.execute(query, parameters))


def _order(event: dict) -> int:
    return event["data"]["order"]


def _service(event: dict) -> str:
    return event["source"].removeprefix("/shop/")
