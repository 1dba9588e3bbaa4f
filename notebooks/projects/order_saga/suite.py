"""Acceptance suite of the order saga: four services and a node of the broker are killed, messages come
twice, late and unreadable, and the shop's books have to be right.

Programs of a system, each told ``--brokers URL…``, ``--name`` and ``--database FILE``, its own:

- ``orders.py`` directs the others. Table ``orders (id, state)``; ``order.confirmed`` and
  ``order.cancelled`` are the states in which an order ends;
- ``payment.py --accounts FILE``: what the customers have at the beginning, ``{CUSTOMER: CENTS}``.
  Tables ``accounts (customer, cents)`` and ``charges (order_id, cents)``, a refund below zero;
- ``inventory.py --stock FILE``: what is there at the beginning, ``{ITEM: PIECES}``. Tables
  ``stock (item, pieces)`` and ``reservations (order_id, item, pieces)``, a release below zero;
- ``shipping.py``: table ``parcels (order_id, address)``. It can't send to the address ``unknown``.

All they say to each other passes the durable topic exchange NAME. The service that runs in
``orders.py`` reads the queue NAME.orders, and so on. Customers publish with the routing key
``order.placed``: ``{"order": 7, "customer": "ada", "item": "pen", "pieces": 2, "cents": 300,
"address": "1 High Street"}``, each message with an id of its own. How the order ended is published in
the same way, as ``order.confirmed`` or ``order.cancelled``. What can't be read goes to the queue
NAME.parked as it came, and the header ``reason`` says why.

The databases keep SQLite's own journal: with a write-ahead log (WAL) no commit waits for somebody who
reads, as the suite does when it kills a service in its commit.
"""

import json
import sqlite3
import time
from collections import defaultdict
from contextlib import closing, contextmanager, suppress

import pika
import psutil

from helpers import clients, fresh, rabbitmq_cluster
from helpers.books import Books
from helpers.brokers import BrokerError

CONFIRMED, CANCELLED = ENDS = "order.confirmed", "order.cancelled"
OPENING = {
    "payment": {"ada": 9_000_00, "bob": 9_000_00, "cyd": 50_00},  # cents
    "inventory": {"pen": 5_000, "ink": 12},  # pieces
}
SERVICES = {
    "orders": [],
    "payment": ["--accounts"],
    "inventory": ["--stock"],
    "shipping": [],
}
KINDS = [  # of orders: what is special, and how they end if that is certain
    ({}, CONFIRMED),
    ({"customer": "cyd", "cents": 60_00}, CANCELLED),
    ({"customer": "eve"}, CANCELLED),
    ({"item": "ink", "pieces": 20}, CANCELLED),
    ({"item": "nib"}, CANCELLED),
    ({"address": "unknown"}, CANCELLED),
    ({"customer": "cyd", "cents": 20_00}, ""),
    ({"item": "ink", "pieces": 3}, ""),
]
SPOILT = [  # orders that can't be
    {"pieces": -2},
    {"cents": "300"},
    {"cents": 12.5},
    {"cents": 10**30},
    {"customer": None},
    {"customer": "\ud800"},
    {"order": "seven"},
]
NO_ORDERS = [b"no JSON", b"\xff\xfe\xfa", b"[]", b"{}", b"7", b"[" * 50_000]
RETURNED = {
    "consumer-disconnected-timeout": 1000
}  # ms until what a dead node has in hand comes back
ASKED = 20.0  # seconds for what comes within one
MOMENT = 1.0  # seconds in which a service believes that it was heard
STILL = 5.0  # seconds in which nothing moves, and all services are connected: nothing will
# ... when a node is away: Erlang tries to reach a machine that does not answer for 7 (net_setuptime), and
# what its consumers had in hand comes back only then. A container's address is gone when it is killed.
STILL_AWAY = 12.0
SECONDS = 60.0  # for all that is left at the end
BALANCES = {
    "payment": ("accounts", "customer", "cents"),
    "inventory": ("stock", "item", "pieces"),
}
TABLES = {
    "orders": ["orders"],
    "payment": ["accounts", "charges"],
    "inventory": ["stock", "reservations"],
    "shipping": ["parcels"],
}
COLUMNS = "name", "state", "messages_ready", "messages_unacknowledged"
IN_REACH = "running", "flow"  # states of a queue


def trial(trial):
    """One trial, from empty books to the promises."""
    cluster = rabbitmq_cluster(3)
    trial.stack.callback(cluster.down)
    system = _System(trial, cluster)
    system.kill_orders_before_the_others_run()
    system.kill_the_others_in_a_commit()
    system.freeze_and_kill_all()
    system.kill_a_node()
    system.send_copies()
    system.promise_ends()
    system.promise_books()
    system.promise_parking()
    trial.promise_to_run()


class _System:
    """The services, what the customers want of them, and what is done to them."""

    def __init__(self, trial, cluster):
        self._trial, self._cluster, self._data = trial, cluster, trial.data
        self._name = fresh("shop")
        nodes = self._data.sample(
            sorted(cluster.nodes), 3
        )  # they connect to the first, we to the last
        self._nodes = {node: cluster.rabbitmq(node) for node in nodes}
        self._placed, self._ends, self._bad = {}, {}, []  # orders and their certain ends, by number
        self._seen, self._below_zero = {}, set()
        self._books = {service: _Books(trial.space / f"{service}.db") for service in SERVICES}
        self._services = {}
        with suppress(BrokerError):  # before 4.3 there is no such wait, and no such setting
            cluster.ctl(1, "set_policy", self._name, rf"^{self._name}\.", json.dumps(RETURNED))
        with self._channel() as channel:
            channel.exchange_declare(self._name, "topic", durable=True)
            clients.declare_queue(channel, f"{self._name}.spy")
            channel.queue_bind(f"{self._name}.spy", self._name, "#")

    # -- deeds -------------------------------------------------------------------------------

    def kill_orders_before_the_others_run(self):
        """It dies in its first commit; and then right after one, when it has told what it did."""
        self._start("orders")
        with self._books["orders"].audit():
            self._place_orders(self._spoil())
            self._kill_in_commit("orders")
        with self._books["orders"].audit():
            self._wait("orders to commit", self._books["orders"].has_writer_waiting)
        with self._books["orders"].audit():
            self._kill_in_commit("orders", ", right after another")

    def kill_the_others_in_a_commit(self):
        """Right after one that has done some work; and in one, as somebody reads in the books just then."""
        others = [service for service in SERVICES if service != "orders"]
        for service in others:
            self._start(service)
        for service in self._data.sample(others, len(others)):
            self._services[service].stop_at_commit(word=TABLES[service][-1])
            self._place_orders()
            self._kill_when(self._services[service].paused, service, "right after a commit")
            with self._books[service].audit():
                self._place_orders()
                self._kill_in_commit(service)
        with self._channel() as channel:
            for service in others:
                self._bad.append(f"no message for {service}".encode())
                self._publish(channel, "", f"{self._name}.{service}", self._bad[-1])

    def _kill_in_commit(self, service, when=""):
        waits = self._books[service].has_writer_waiting
        self._kill_when(waits, service, f"in the midst of a commit{when}")

    def _kill_when(self, state, service, when):
        if self._wait(f"{service} to commit", state):
            self._trial.struck(f"{service} was killed {when}")
        self._services[service].kill()

    def freeze_and_kill_all(self):
        """All four, at some moment at which orders are under way."""
        for _ in range(3):
            self._place_orders()
        enough = len(self._look()) + self._data.randint(5, 25)
        self._wait("some messages", lambda: len(self._seen) >= enough)
        for service in self._services.values():
            service.pause()
        self._strike("all services were frozen and killed")
        for service in self._services.values():
            service.kill()

    def kill_a_node(self):
        """It stands still when a service commits: what that tells then, nobody has heard."""
        service = self._data.choice(list(SERVICES))
        self._wait(f"{service} to be back", lambda: self._queue(service).consumer_count)
        down = max(self._cluster.leader_of(f"{self._name}.{service}"), 1)
        with self._books[service].audit():
            self._place_orders()
            waits = self._wait(f"{service} to commit", self._books[service].has_writer_waiting)
            self._cluster.pause(down)
            del self._nodes[down]
        self._trial.comes(lambda: False, MOMENT)
        self._cluster.kill(down)
        when = f" when {service} had committed" if waits else ""
        self._strike(f"node {down} stood still{when}, was killed, and stayed away")

    def send_copies(self):
        """Of all messages so far, among new orders: not before the others have ended, since a copy
        would make good for a message that was lost."""
        if self._is_done_in_time():
            self._publish_copies()
            self._is_done_in_time()

    def _publish_copies(self):
        copies = list(self._look())
        self._data.shuffle(copies)
        self._place_orders()
        self._strike(f"copies of {len(copies)} messages came, shuffled")
        with self._channel() as channel:
            for kind, message_id, body in copies:
                properties = self._seen[kind, message_id, body]
                with suppress(pika.exceptions.NackError):
                    channel.basic_publish(self._name, kind, body, properties)

    def _strike(self, deed):
        self._trial.struck(f"{deed}; {len(self._under_way())} orders were under way")

    # -- what customers send -----------------------------------------------------------------

    def _place_orders(self, bad=()):
        """One of each kind and one more, among them some that are none; one is placed twice."""
        orders = [self._draw(*kind) for kind in (*KINDS, self._data.choice(KINDS))]
        orders.append(self._data.choice(orders))
        bodies = [*(json.dumps(order).encode() for order in orders), *bad]
        self._data.shuffle(bodies)
        with self._channel() as channel:
            for body in bodies:
                self._publish(channel, self._name, "order.placed", body)

    def _draw(self, special, end):
        number, data = len(self._placed) + 1, self._data
        self._ends[number] = end
        self._placed[number] = {
            "order": number,
            "customer": data.choice(["ada", "bob"]),
            "item": "pen",
            "pieces": data.randint(1, 5),
            "cents": data.randint(1_00, 9_00),
            "address": f"{data.randint(1, 99)} High Street",
            **special,
        }
        return self._placed[number]

    def _spoil(self):
        """What is no order: numbers above 900."""
        good = {
            "customer": "ada",
            "item": "pen",
            "pieces": 1,
            "cents": 300,
            "address": "5 Mill Lane",
        }
        orders = [{"order": 901 + n, **good, **wrong} for n, wrong in enumerate(SPOILT)]
        orders.append({"order": 999, **{k: good[k] for k in good if k != "address"}})
        self._bad = [*NO_ORDERS, *(json.dumps(order).encode() for order in orders)]
        return self._bad

    def _publish(self, channel, exchange, routing_key, body):
        """Each message has an id of its own. Where its queue is gone the broker says no."""
        properties = pika.BasicProperties(
            message_id=f"{self._data.getrandbits(64):016x}", delivery_mode=2
        )
        with suppress(pika.exceptions.NackError):
            channel.basic_publish(exchange, routing_key, body, properties)

    # -- services ----------------------------------------------------------------------------

    def _start(self, service):
        file = self._trial.space / f"{service}.json"
        file.write_text(json.dumps(OPENING.get(service)))
        where = [f"amqp://guest:guest@{node.host}:{node.port}" for node in self._nodes.values()]
        told = "--brokers", *where, "--name", self._name, "--database", self._books[service].file
        options = [word for option in SERVICES[service] for word in (option, file)]
        self._services[service] = self._trial.start(f"{service}.py", *told, *options)
        self._wait(f"{service} to listen", lambda: self._queue(service).consumer_count, ASKED)

    def _wait(self, what, check, still=STILL):
        """Wait for a state as long as something moves, or a service is not back; has it come?"""
        moved = [None, time.monotonic()]

        def over():
            now = len(self._look()), self._states()
            if now != moved[0] or not all(map(self._is_connected, self._services)):
                moved[:] = now, time.monotonic()
            stands_still = time.monotonic() - moved[1] > still
            return check() or stands_still  # the check itself may take longer on a busy machine

        lost = pika.exceptions.AMQPError, psutil.Error
        if not self._trial.wait_until(over, what, SECONDS, tolerate=lost):
            return False
        if not check():
            self._trial.struck(f"waited in vain for {what}: nothing moved any more")
            return False
        return True

    def _is_done_in_time(self):
        def done():
            if self._under_way() or any(self._queue(name).message_count for name in SERVICES):
                return False
            return not self._left()  # takes a second or two

        return self._wait("all orders to end", done, STILL_AWAY)

    def _states(self):
        return dict(self._books["orders"].rows("SELECT id, state FROM orders"))

    def _under_way(self):
        states = self._states()
        return [order for order in self._placed if states.get(order) not in ENDS]

    # -- the broker --------------------------------------------------------------------------

    @contextmanager
    def _channel(self):
        """A channel that confirms, at the node that lives longest."""
        with closing(pika.BlockingConnection(list(self._nodes.values())[-1])) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel

    def _queue(self, queue):
        """How many messages are ready in a queue, and how many consumers it has."""
        with self._channel() as channel:
            return channel.queue_declare(f"{self._name}.{queue}", passive=True).method

    def _is_connected(self, service):
        """To a node that lives? The broker counts the consumers on a dead one as well."""
        ports = {node.port for node in self._nodes.values()}
        return any(
            connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port in ports
            for process in self._services[service].processes()
            for connection in process.net_connections("tcp")
        )

    def _take_all(self, queue):
        with self._channel() as channel:
            take = lambda: channel.basic_get(f"{self._name}.{queue}", auto_ack=True)  # noqa: E731
            return list(iter(take, (None, None, None)))

    def _look(self):
        """All messages so far; and a look into the books, whether anything is below zero."""
        for method, properties, body in self._take_all("spy"):
            self._seen[method.routing_key, properties.message_id, body] = properties
        for name, number in self._balances("payment") + self._balances("inventory"):
            self._below_zero |= {f"{name}: {number}"} if number < 0 else set()
        return self._seen

    def _left(self):
        """How many messages are ready or in somebody's hands; and the queues that are out of reach."""
        listing = self._cluster.ctl(min(self._nodes), "list_queues", *COLUMNS, "--silent")
        known = {name: row for name, *row in (line.split("\t") for line in listing.splitlines())}
        left = []
        for service in SERVICES:
            state, *messages = known.get(f"{self._name}.{service}", ["missing"])
            if state not in IN_REACH:
                left.append(f"the queue {service} is {state}")
            elif number := sum(map(int, messages)):
                left.append(f"{number} in {service}")
        return left

    # -- promises ----------------------------------------------------------------------------

    def promise_ends(self):
        """How the orders ended, and what their customers heard."""
        states, heard = self._states(), defaultdict(set)
        for kind, _, body in self._look():
            if kind in ENDS:
                heard[_number(body)].add(kind)
        ended = {order: state for order, state in states.items() if state in ENDS}
        waiting = [f"order {order} at {states.get(order)}" for order in self._under_way()]
        other = [
            f"order {order} at {state} ({self._placed[order]})"
            for order, state in ended.items()
            if self._ends.get(order) and state != self._ends[order]
        ]
        unheard = [
            f"order {order} at {state}, and {sorted(heard[order]) or 'nothing'} was published"
            for order, state in ended.items()
            if heard[order] != {state}
        ]
        say = self._trial.promise
        say("ends", "Each order ends", waiting, LOST)
        say("right_end", "Only what can be sent is confirmed, all that surely can is", other, END)
        say("told", "What became of an order is published", unheard, TOLD)
        say("drained", "With one of three nodes down nothing is left to do", self._left(), QUEUES)

    def promise_books(self):
        """What was taken, paid and sent."""
        paid = self._by_order("payment", "charges", "cents")
        taken = self._by_order("inventory", "reservations", "pieces")
        sent = self._by_order("shipping", "parcels", "address")
        done = [
            *((order, "charged", [n for n in paid[order] if n > 0]) for order in paid),
            *((order, "refunded", [n for n in paid[order] if n < 0]) for order in paid),
            *((order, "reserved", [n for n in taken[order] if n > 0]) for order in taken),
            *((order, "released", [n for n in taken[order] if n < 0]) for order in taken),
            *((order, "sent", sent[order]) for order in sent),
        ]
        twice = [f"order {order} was {what} {len(n)} times" for order, what, n in done if n[1:]]
        strangers = (paid.keys() | taken.keys() | sent.keys()) - self._placed.keys()
        twice += [f"order {order}, which nobody placed" for order in strangers]
        half = []
        for order, state in self._states().items():
            wanted = self._placed.get(order)
            if wanted is None or state not in ENDS:
                continue
            amounts = wanted["cents"], wanted["pieces"], [wanted["address"]]
            right = amounts if state == CONFIRMED else (0, 0, [])
            found = sum(paid[order]), sum(taken[order]), sent[order]
            if found != right:
                half.append(f"order {order} at {state}: cents, pieces, parcels {found}")
        say = self._trial.promise
        say("readable", "The books have their tables", self._missing_tables(), TABLE)
        ahead = [service for service, books in self._books.items() if books.has_write_ahead_log()]
        say("journal", "Whoever reads in the books holds up a commit", ahead, JOURNAL)
        say("once", "No order is charged, reserved or sent twice", twice, TWICE)
        say("all_or_nothing", "A confirmed order has all, a cancelled one nothing", half, HALF)
        say("money", "No cent is lost or made", self._unbalanced("payment", paid), MONEY)
        say("stock", "No piece is lost or made", self._unbalanced("inventory", taken), STOCK)
        say("not_below_zero", "No account and no stock is below zero", self._below_zero, BELOW)

    def _by_order(self, service, table, column):
        entries = defaultdict(list)
        for order, entry in self._books[service].rows(f"SELECT order_id, {column} FROM {table}"):
            entries[order].append(entry)
        return entries

    def _balances(self, service):
        table, *columns = BALANCES[service]
        return self._books[service].rows(f"SELECT {', '.join(columns)} FROM {table}")

    def _unbalanced(self, service, entries):
        """Who has another balance than the entries of their orders say."""
        now, whose = dict(self._balances(service)), BALANCES[service][1]
        due = defaultdict(int, OPENING[service])
        for order, amounts in entries.items():
            if order in self._placed:
                due[self._placed[order][whose]] -= sum(amounts)
        differ = [one for one in due if now.get(one, 0) != due[one]]
        return [f"{one}: {now.get(one, 0)} instead of {due[one]}" for one in differ]

    def _missing_tables(self):
        return [
            f"{service} has no table {table}"
            for service, tables in TABLES.items()
            for table in tables
            if table not in self._books[service].tables()
        ]

    def promise_parking(self):
        """What was put aside."""
        parked = []
        with suppress(pika.exceptions.AMQPError):
            for _, properties, body in self._take_all("parked"):
                parked.append((body, (properties.headers or {}).get("reason")))
        self._trial.promise_parking("What can't be read", set(self._bad), parked, POISON)


class _Books(Books):
    """A service's database."""

    def __init__(self, file):
        super().__init__(file)
        self._known = {}

    def rows(self, query):
        """What it answers; as it was, while somebody writes in it."""
        with suppress(sqlite3.Error):
            self._known[query] = self.ask(query, timeout=0.1)
        return self._known.get(query, [])


def _number(body):
    """The order that a message names."""
    with suppress(ValueError, TypeError, LookupError):
        return json.loads(body)["order"]
    return None


LOST = "what was its last message, when was that acknowledged, and what was killed then?"
END = "which reply belongs to which step?"
TOLD = "is it published by the transaction that ends the order, whatever dies right after?"
QUEUES = "look at the services' errors, and at which node the queue lives."
TABLE = "the head of the suite names the tables and their columns."
JOURNAL = "leave SQLite's journal as it is: with WAL, the suite kills nobody in a commit."
TWICE = "the same message may come again, and a customer may send an order twice. What tells?"
HALF = "what was done before the refusal has to be given back; and what died before it was saved?"
MONEY = (
    "are a charge and its entry one transaction? And what happens when the service starts again?"
)
STOCK = "are a reservation and its entry one transaction? And when the service starts again?"
BELOW = "is the balance looked at, and changed, in one statement?"
POISON = "what becomes of a message that is no order, and of an order that can't be?"
