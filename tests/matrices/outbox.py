"""The outbox's crash matrix: a service killed before every statement that it runs for one order.

From the call that handles the event to the word to the broker that it is handled: the dual write in
both sequences, the outbox, and a receiver with an inbox to which each event is sent twice. The places
are not listed here: one order goes through unharmed first, and says which statements are run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helpers import settings
from helpers.brokers import Brokers
from helpers.programs import module

from .dies import LAST
from .saga import SHOPS, ask

shop_programs, crash_points = module("running_shop.py").PROGRAMS, module("crash_points.py")
new_event = module("shop.py").new_event
WAYS = {  # which service is killed, and how it publishes
    "commit first": ("inventory", "commit-first"),
    "publish first": ("inventory", "publish-first"),
    "outbox": ("inventory", "outbox"),
    "outbox and inbox": ("payment", "outbox"),
}
COLUMNS = (
    *("way", "broker", "function", "statement", "time"),
    *("lost", "invented", "duplicated"),
)
Row = list[Any]  # in the order of COLUMNS
Place = list[str]  # a function, and a statement of it


def rows(brokers: Brokers) -> list[Row]:
    """The whole matrix, three services at a time."""
    every = [(broker, way) for broker in SHOPS for way in WAYS]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda one: kill_everywhere(brokers, *one), every))
    return [row for each in found for row in each]


def places(brokers: Brokers, broker: str, way: str) -> list[Place]:
    """The statements that are run for one order."""
    shop = open_shop(brokers, broker, way)
    found = unharmed(shop, way)
    shop.stop()
    return found


def kill_everywhere(brokers: Brokers, broker: str, way: str) -> list[Row]:
    """An order for each statement; what became of it when all was done again that had to be."""
    service, published = WAYS[way]
    shop = open_shop(brokers, broker, way)
    every = unharmed(shop, way)
    deaths = dict(enumerate(every, start=2))
    send(shop, way, [*deaths, len(deaths) + 2])
    for number, (order, place) in enumerate(deaths.items()):
        die(shop, way, order, number, place)
    shop.services[service] = shop.start(service, "--way", published)
    shop.wait_until_done()
    count = count_charges if service == "payment" else count_events
    found = []
    for order, (function, statement) in deaths.items():
        time = every[: order - 1].count([function, statement])  # once, or the second time
        found.append([way, broker, function, statement, time, *count(shop, order)])
    shop.stop()
    return found


def open_shop(brokers: Brokers, broker: str, way: str) -> Any:
    """A shop with the one service that is to be killed, which does not run yet."""
    service, _ = WAYS[way]
    shop = SHOPS[broker](brokers, programs={service: shop_programs[service]}, pens=1000)
    shop.services[service].stop()
    return shop


def send(shop: Any, way: str, orders: list[int]) -> None:
    """Publish what the service reacts to; to the one with an inbox each event twice."""
    service, _ = WAYS[way]
    heard, copies = ("stock.reserved", 2) if service == "payment" else ("order.placed", 1)
    data = ({"order": order, "item": "pen", "cents": 30_00} for order in orders)
    events = [new_event(heard, one) for one in data]
    shop.publish(event for event in events for _ in range(copies))


# -- the service that is killed ----------------------------------------------------------------


def start(shop: Any, way: str, order: int, number: int) -> subprocess.Popen[str]:
    """Start the service, followed statement by statement in one order. It ends with us."""
    service, published = WAYS[way]
    file, *arguments = shop.program(service)
    file = settings.CHECKOUT / "notebooks" / "programs" / file
    command = ["-m", "tests.matrices.dies", order, number, file, *arguments, "--way", published]
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=settings.CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(settings.CHECKOUT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def unharmed(shop: Any, way: str) -> list[Place]:
    """The statements that are run for order 1.

    Raises:
        AssertionError: it was not handled in 90 s.
    """
    send(shop, way, [1])
    found: list[Place] = []
    with start(shop, way, order=1, number=-1) as process:
        late = threading.Timer(90, process.terminate)
        late.start()
        for line in process.stdout:
            found += place_in(line)
            if found and found[-1][1].startswith(LAST):
                break
        late.cancel()
        process.terminate()
        process.stdout.read()  # or its last words would break it
    last = found[-1][1] if found else "none"
    assert last.startswith(LAST), f"the order is not handled; the last statement was: {last}"
    return found


def die(shop: Any, way: str, order: int, number: int, place: Place) -> None:
    """Let the service run, until it dies in this order before its statement of this number.

    Raises:
        AssertionError: it died elsewhere, of something else, or not in 90 s.
    """
    with start(shop, way, order, number) as process:
        late = threading.Timer(90, process.terminate)
        late.start()
        said = process.stdout.read()
        late.cancel()
    reached = [found for line in said.splitlines() for found in place_in(line)]
    assert process.returncode == -signal.SIGKILL, (process.returncode, said)
    assert reached[-1] == place, (reached[-1], place)


def place_in(line: str) -> list[Place]:
    """The place that a line of a followed program names, if it names one."""
    return [json.loads(line)] if line.startswith("[") else []


# -- what became of an order -------------------------------------------------------------------


def count_events(shop: Any, order: int) -> list[int]:
    """Lost, invented and duplicated: the events of inventory, beside its database."""
    handled = {event_id for (event_id,) in ask(shop, "inventory", "SELECT event_id FROM handled")}
    return list(crash_points.compare(order, shop.events(), handled).values())


def count_charges(shop: Any, order: int) -> list[int]:
    """Lost, invented and duplicated: the charges of the receiver, and what it tells of them."""
    query = "SELECT COUNT(*) FROM charges WHERE order_id = ?"
    ((charges,),) = ask(shop, "payment", query, order)
    told = {
        event["id"]
        for event in shop.events()
        if (event["type"], event["data"]["order"]) == ("payment.taken", order)
    }
    return [int(not charges or not told), max(len(told) - charges, 0), max(charges - 1, 0)]
