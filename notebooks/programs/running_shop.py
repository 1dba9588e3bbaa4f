"""The shop with its services running around one topic: what notebooks start, kill and look into."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kafka import KafkaProducer

from helpers import Program, clients, fresh, wait_until
from helpers.brokers import Brokers

from . import shop

PROGRAMS = {
    "inventory": "shop_inventory.py",
    "payment": "shop_payment.py",
    "orders": "shop_orders.py",
}
WITH_PARCELS = PROGRAMS | {"shipping": "shop_shipping.py", "orders": "shop_sagas.py"}
ENDS = ("order.confirmed", "order.cancelled")


def new_folder() -> Path:
    """A folder for databases, until this kernel ends."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class RunningShop:
    """Its services, each a program with a database of its own, and pens in stock."""

    OPTIONS: tuple[str, ...] = ()  # of each service, in all its lives

    def __init__(
        self,
        brokers: Brokers,
        directed: bool = False,
        programs: Mapping[str, str] = PROGRAMS,
        pens: int = 5,
        **options: Sequence[object],
    ) -> None:
        """Start it.

        Args:
            directed: orders tells the others what to do, on a topic of commands.
            programs: the services, and the file of each.
            pens: how many there are at first.
            options: more arguments of a service's first life, as ``inventory=["--way", "outbox"]``.
        """
        self.brokers, self.topics, self._folder = brokers, [fresh("shop")], new_folder()
        if directed:
            self.topics.append(fresh("commands"))
        self._groups = {service: fresh(service) for service in programs}
        self._make_topics()
        with self.database("inventory") as database:
            database.execute("INSERT INTO stock VALUES ('pen', ?)", [pens])
        self._pens, self._programs = pens, programs
        self.services = {
            service: self.start(service, *options.get(service, ())) for service in programs
        }

    def start(self, service: str, *more: object) -> Program:
        """Start a service, or start it anew after its death."""
        return Program(*self.program(service), *more)

    def program(self, service: str) -> list[object]:
        """The file of a service, and what it is told."""
        where = self.topics[0], self._groups[service], self._path(service)
        commands = ["--commands", self.topics[1]] if self.topics[1:] else []
        return [self._programs[service], *where, *commands, *self.OPTIONS]

    def order_pens(self, cents: Mapping[int, int], address: str = "1 High Street") -> None:
        """Publish that orders for one pen each were placed: their numbers, and what each costs."""
        self.place(
            {"order": order, "item": "pen", "cents": price, "address": address}
            for order, price in cents.items()
        )

    def place(self, orders: Iterable[dict]) -> None:
        """Publish that these orders were placed."""
        self.publish(shop.new_event("order.placed", data, source="orders") for data in orders)

    def events(self) -> list[shop.Event]:
        """All events and commands so far."""
        records = [r for topic in self.topics for r in clients.read_topic(self.brokers, topic)]
        return [json.loads(record.value) for record in records]

    def ended(self) -> set[str]:
        """The orders that were confirmed or cancelled."""
        return {event["subject"] for event in self.events() if event["type"] in ENDS}

    def pairs(self) -> set[frozenset[str]]:
        """Which two services are joined by a message and what it led to."""
        events = self.events()
        sender = {event["id"]: event["source"] for event in events}
        joined = [{sender[e["causationid"]], e["source"]} for e in events if e["causationid"]]
        return {frozenset(two) for two in joined if len(two) == 2}

    def kill_when_paused(self, service: str, *more: object) -> None:
        """Kill a service that pauses between two steps, and start it anew."""
        self.services[service].wait_for("paused", timeout=40)
        self.services[service].kill()
        self.services[service] = self.start(service, *more)

    def pens_taken(self) -> int:
        """How many of the pens are gone."""
        with self.database("inventory") as database:
            return self._pens - database.execute("SELECT pieces FROM stock").fetchone()[0]

    def charges(self) -> list[int]:
        """The orders for which a card was charged, once for each charge."""
        with self.database("payment") as database:
            return [order for (order,) in database.execute("SELECT order_id FROM charges")]

    def ended_and_charged_once(self) -> int:
        """How many of the ordered pens came to their end with the card charged exactly once."""
        charged = self.charges()
        return sum(charged.count(int(name.removeprefix("order-"))) == 1 for name in self.ended())

    def cents_taken(self) -> int:
        """What the cards were charged, less what was given back."""
        with self.database("payment") as database:
            return database.execute("SELECT IFNULL(SUM(cents), 0) FROM charges").fetchone()[0]

    def parcels_sent(self) -> int:
        """How many parcels are on their way."""
        with self.database("shipping") as database:
            return database.execute("SELECT COUNT(*) FROM parcels").fetchone()[0]

    def wait_until_done(self) -> None:
        """Wait until each service has handled all there is, and nothing new came of that.

        A service publishes before it commits: if all is committed that there is, nobody is at work.
        """

        def at_rest() -> bool:
            before = len(self.events())
            lags = [clients.lag(self.brokers, *of) for of in self._subscriptions()]
            return not any(lags) and len(self.events()) == before

        wait_until(at_rest, "the shop to be at rest", timeout=60)

    def _make_topics(self) -> None:
        for topic in self.topics:
            clients.make_topic(self.brokers, topic)

    def publish(self, events: Iterable[shop.Event]) -> None:
        """Publish events to the services."""
        with KafkaProducer(acks="all", **self.brokers.kafka) as producer:
            for event in events:
                shop.publish(producer, self.topics[0], event)

    def _subscriptions(self) -> list[tuple[str, str]]:
        """Which topic each service listens to, and its group."""
        return [
            (self.topics[0 if service == "orders" else -1], group)
            for service, group in self._groups.items()
        ]

    def stop(self) -> None:
        """End all services."""
        for service in self.services.values():
            service.stop()

    def database(self, service: str) -> shop.sqlite3.Connection:
        """A service's database."""
        return shop.connect(str(self._path(service)))

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.db"
