"""Patients on RabbitMQ: orders in a queue of a virtual host of their own, and packers at it."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

import pika
from pika.adapters.blocking_connection import BlockingConnection

from .. import clients
from ..brokers import BrokerError, Brokers, marks, tool, up
from ..exercises.answers import Wrong
from ..names import fresh
from ..waiting import wait_until
from .patient import PATIENCE, Patient, eventually, some

PREFIX = "clinic"  # of the virtual hosts
INVOICES = [f"invoice {number}" for number in range(1, 6)]
SHORT = 1000  # milliseconds
FAIR = 10  # orders that a machine may have in its hand
LONG = 3_600_000  # milliseconds; who waits so long for an order has given up


class RabbitMQPatient(Patient):
    """A queue of orders, one for what can't be handled, and one of the bookkeepers'."""

    program = "clinic_packer_rabbitmq.py"
    in_hand: ClassVar = {
        "connect()": "a new connection to the virtual host, pika's",
        "ctl(...)": "runs `rabbitmqctl`; the virtual host is `patient.vhost`, as in "
        '`patient.ctl("list_policies", "-p", patient.vhost)`',
        "api(path)": "asks the management API; `{vhost}` in the path stands for the virtual host, as in "
        '`patient.api("/api/queues/{vhost}")`',
        "queue": "where the orders wait",
        "parking": "the queue for what can't be packed; a colleague looks at it every evening",
        "book": "all orders that the shop has sent so far",
        "handled()": "which orders were packed, and how often",
        "programs": "what runs, by name; `patient.start`, `restart` and `stop` change it",
        "running_with": "the options of each of them; what a packer does with an `unreadable` order is "
        "`requeue`, `reject` or `acknowledge`",
    }
    options: ClassVar = {"prefetch": 1, "unreadable": "requeue"}

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._brokers = up("rabbitmq", quiet=True)
        if self._brokers.management is None:
            raise BrokerError(
                "The clinic makes a virtual host by RabbitMQ's management API, and none is known. Set "
                "RABBITMQ_MANAGEMENT_URL, as http://host:15672, or use brokers of the course."
            )
        self.vhost = fresh(PREFIX)
        self.queue, self.parking, self.invoices = "orders", "parking", "invoices"
        self.book: list[str] = []
        self._next = 1

    @property
    def brokers(self) -> Brokers:
        return self._brokers

    # -- what the learner has --------------------------------------------------------------------

    def connect(self) -> BlockingConnection:
        """A new connection to the virtual host; use it in a `with` block."""
        parameters = copy.copy(self.brokers.rabbitmq)
        parameters.virtual_host = self.vhost  # type: ignore[union-attr]
        return BlockingConnection(parameters)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on the broker and return what it prints.

        Raises:
            BrokerError: it failed, with its own words.
        """
        command, environment = tool("rabbitmq", "rabbitmqctl", arguments)
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: {ran.stderr or ran.stdout}")
        return ran.stdout

    def api(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Ask the management API; ``{vhost}`` in the path stands for the virtual host.

        Raises:
            urllib.error.HTTPError: it refuses.
        """
        path = path.replace("{vhost}", quote(self.vhost, safe=""))
        has: Any = self.brokers.rabbitmq
        login = f"{has.credentials.username}:{has.credentials.password}"
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        sent = None if body is None else json.dumps(body).encode()
        headers |= {"Content-Type": "application/json"} if sent else {}
        request = urllib.request.Request(
            f"{self.brokers.management}{path}", data=sent, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    # -- for the cases ---------------------------------------------------------------------------

    def arguments(self) -> list[object]:
        has: Any = self.brokers.rabbitmq
        login = f"{quote(has.credentials.username)}:{quote(has.credentials.password)}"
        place = f"{has.host}:{has.port}/{quote(self.vhost, safe='')}"
        return [f"amqp://{login}@{place}?heartbeat=0", self.queue]

    def make(self, kind: str = "classic", **arguments: Any) -> None:
        """The virtual host with its three queues; the orders' queue has these arguments."""
        self._sweep()
        self.api("/api/vhosts/{vhost}", "PUT", {"description": marks.identity()})
        user: Any = self.brokers.rabbitmq.credentials.username  # type: ignore[union-attr]
        rights = dict.fromkeys(("configure", "write", "read"), ".*")
        self.api(f"/api/permissions/{{vhost}}/{quote(user)}", "PUT", rights)
        with self.connect() as connection:
            channel = connection.channel()
            clients.declare_queue(channel, self.queue, kind, **arguments)
            clients.declare_queue(channel, self.parking, "classic")
            clients.declare_queue(channel, self.invoices, "classic")
            clients.publish(channel, self.invoices, INVOICES)

    def _sweep(self) -> None:
        """Delete the virtual hosts that dead kernels have left."""
        mine = self.vhost.rpartition("-")[0]  # with the learner's name in front, if there is one
        for vhost in self.api("/api/vhosts"):
            owner = vhost.get("description") or ""
            if vhost["name"].rpartition("-")[0] == mine and not marks.lives(owner):
                self.api(f"/api/vhosts/{quote(vhost['name'], safe='')}", "DELETE")

    def clean_up(self) -> None:
        with suppress(urllib.error.HTTPError):
            self.api("/api/vhosts/{vhost}", "DELETE")

    def numbers(self, count: int) -> list[str]:
        """So many new orders."""
        first, self._next = self._next, self._next + count
        return [str(number) for number in range(first, self._next)]

    def unreadable(self) -> str:
        """A new order that no packer can read."""
        return f"{self.numbers(1)[0]}: {self.data.randint(2, 9)} pcs. of ???"

    def send(self, orders: Iterable[str]) -> None:
        """Have the shop send orders, all at once, and wait until the broker has the last."""
        orders = list(orders)
        self.book += orders
        with self.connect() as connection:
            channel = connection.channel()
            for order in orders[:-1]:
                channel.basic_publish("", self.queue, order, clients.PERSISTENT)
            clients.publish(channel, self.queue, orders[-1:])

    def ready(self, queue: str = "") -> int:
        """How many messages wait."""
        with self.connect() as connection:
            return clients.ready(connection.channel(), queue or self.queue)

    def bodies(self, queue: str) -> list[str]:
        """What waits in a queue; it stays there. Of a queue that is gone, nothing."""
        found = []
        with self.connect() as connection:
            channel = connection.channel()
            with suppress(pika.exceptions.ChannelClosedByBroker):
                while (message := channel.basic_get(queue))[0]:
                    found.append(message[2].decode())
        return found

    def _in_hand(self) -> int:
        """How many orders consumers have, and have not acknowledged."""
        columns = "name", "messages_unacknowledged", "--silent"
        listed = self.ctl("list_queues", "-p", self.vhost, *columns).split()
        return int(listed[listed.index(self.queue) + 1]) if self.queue in listed else 0

    def policy(self, queue: str) -> dict[str, Any]:
        """What its policy says of a queue. Which one that is, the queue is asked: the HTTP API may be
        five seconds behind."""
        listed = self.ctl("list_queues", "-p", self.vhost, "name", "policy", "--silent")
        names = dict(line.split("\t") for line in listed.splitlines())
        found = {
            policy["name"]: policy["definition"] for policy in self.api("/api/policies/{vhost}")
        }
        return found.get(names.get(queue), {})

    # -- what is expected of every repair --------------------------------------------------------

    def expect_packed(
        self,
        orders: Iterable[str],
        kind: str,
        still: str,
        hint: str,
        seconds: float = 0.75 * PATIENCE,
    ) -> None:
        """That all these orders, which are numbers, get packed.

        Raises:
            Wrong: ``lost`` if one is nowhere, else as told.
        """
        wanted = [one for one in orders if one.isdecimal()]
        if eventually(lambda: not set(wanted) - self.handled().keys(), seconds):
            return
        most = self._in_hand() + len(self.programs)  # asked first: packers go on meanwhile
        there = {*self.bodies(self.queue), *self.bodies(self.parking)}
        missing = [one for one in wanted if one not in self.handled()]
        if not missing:
            return
        gone = [one for one in missing if one not in there]
        if len(gone) > most:
            raise Wrong(
                "lost",
                f"{len(gone)} orders are neither packed nor in a queue: {some(gone)}.",
                "Compare with `patient.book`: the shop still knows what it has sent, and can send "
                "it again.",
            )
        raise Wrong(kind, f"{still}: {some(missing)}.", hint)

    def expect_parked(self, orders: Iterable[str]) -> None:
        """That each of these orders, which nobody can pack, is in the colleague's queue, once.

        Raises:
            Wrong: it isn't.
        """
        for order in orders:
            parked = partial(self._is_parked, order)
            if not eventually(parked, PATIENCE / 4):
                where = "in the orders' queue" if order in self.bodies(self.queue) else "nowhere"
                raise Wrong(
                    "lost_unreadable",
                    f"order {order!r} can't be packed. It is not in the queue {self.parking}, but {where}.",
                    "A colleague can read it, if it gets to him: where does a queue send what it "
                    "gives up?",
                )
            if self.bodies(self.parking).count(order) > 1:
                raise Wrong(
                    "doubled", f"order {order!r} is parked twice.", "Count what you publish again."
                )

    def _is_parked(self, order: str) -> bool:
        return order in self.bodies(self.parking)

    def expect_unharmed(self) -> None:
        """That the packed orders were packed once, and the bookkeepers find their own.

        Raises:
            Wrong: they don't.
        """
        eventually(lambda: self.ready() == 0, PATIENCE)  # what is in it twice is packed twice
        stops = len(self._ended)  # each may have had an order in its hand
        if len(twice := [o for o, number in self.handled().items() if number > 1]) > stops:
            raise Wrong(
                "doubled",
                f"{len(twice)} orders were packed more than once: {some(twice)}.",
                "What is published again must be missing: compare the book, the queue, and "
                "`patient.handled()`.",
            )
        if Counter(self.bodies(self.invoices)) != Counter(INVOICES):
            raise Wrong(
                "invoices",
                "the bookkeepers' queue `invoices` isn't what it was.",
                "Whom else does your repair touch? A policy holds for every queue that its pattern "
                "matches.",
            )


class PoisonLoop(RabbitMQPatient):
    """An order that no packer can read goes back to the head of the queue, again and again."""

    name = "poison loop"
    symptoms = (
        "The packer is at full speed, the fan of the machine howls, and not one parcel has left since this "
        "morning. No error in the broker's log. The queue doesn't get shorter. Customers wait. "
        "What must stay: an order that can't be packed belongs in `parking`, where a colleague reads it."
    )
    hints = (
        '`patient.programs["packer-1"].lines()[-5:]`: what is it at?',
        "Where does an order go that is put back? And who is the next to get it?",
        'A packer can `unreadable="reject"` an order; then the queue gives it up. A policy for the queue '
        "with `dead-letter-exchange` (the empty name is the default exchange) and "
        "`dead-letter-routing-key` says where to.",
    )

    def break_it(self) -> None:
        self.make()
        orders = self.numbers(self.data.randint(20, 30))
        self.poison = [self.unreadable()]
        orders.insert(self.data.randint(3, 8), self.poison[0])
        self.send(orders)
        self._launch("packer-1", self.options)
        packer = self.programs["packer-1"]
        wait_until(lambda: len(packer.said("unreadable")) > 20, "an order to loop", PATIENCE)

    def expect_cured(self) -> str:
        again = "Why does the packer get nowhere? Who gets the order that it puts back?"
        self.expect_packed(self.book, "still_blocked", "these orders wait and wait", again)
        self.expect_parked(self.poison)
        new, bad = self.numbers(10), self.unreadable()
        self.poison.append(bad)
        self.send([*new[:3], bad, *new[3:]])
        self.expect_packed(
            new,
            "comes_again",
            f"the next order that can't be packed came, {bad!r}, and these wait behind it",
            "This one order was moved out of the way. Who does that at night?",
        )
        self.expect_parked(self.poison)
        self.expect_unharmed()
        return "orders go on, and each that can't be packed is parked, once."


class UnboundedPrefetch(RabbitMQPatient):
    """An old machine has all orders in its hands, and two new ones have none."""

    name = "unbounded prefetch"
    symptoms = (
        "We have bought two new packing machines, each a hundred times as fast as the old one. They stand "
        "idle. The queue is empty, says the dashboard, and customers still wait for hundreds of orders."
    )
    options: ClassVar = {"prefetch": 0}
    hints = (
        '`patient.ctl("list_queues", "-p", patient.vhost, "name", "messages_ready", '
        '"messages_unacknowledged")`: the queue isn\'t as empty as that.',
        '`patient.ctl("list_consumers", "-p", patient.vhost)`: what may each consumer have in its hand?',
        "A prefetch of 0 means no limit: what was there went to the first. "
        '`patient.restart("old", prefetch=…)`, and the new ones, too: they are next.',
    )

    def break_it(self) -> None:
        self.make()
        self.send(self.numbers(self.data.randint(900, 999)))
        self._launch("old", {**self.options, "seconds": 1})
        wait_until(lambda: self.ready() == 0, "the queue to be empty", PATIENCE)
        for name in ("new-1", "new-2"):
            self._launch(name, {**self.options, "seconds": 0.005})
        with self.connect() as connection:
            clients.wait_for_consumers(connection.channel(), self.queue, 3)

    def expect_cured(self) -> str:
        hint = "Who has them in the hand, and how many may that be?"
        self.expect_packed(self.book, "still_hoarding", "these orders wait", hint, PATIENCE)
        if not eventually(lambda: self._machines() >= 3, PATIENCE / 4):
            raise Wrong(
                "stopped",
                f"{self._machines()} of three machines are at the queue.",
                "All three are paid for, the old one, too: `patient.start`.",
            )
        probes = self.numbers(100)
        self._freeze(True)
        self.send(probes)
        left = self.ready()
        self._freeze(False)
        if left < len(probes) - self._machines() * FAIR:
            raise Wrong(
                "still_hoarding",
                f"of 100 new orders {left} were left in the queue when each machine had taken what it may.",
                "When the next machine comes, there should be something left for it. Is every consumer "
                f"bound to {FAIR} or fewer?",
            )
        self.expect_packed(probes, "still_hoarding", "these orders wait", hint, 2 * PATIENCE)
        self.expect_unharmed()
        return "a machine has few orders in its hand, the others share the rest, and none is lost."

    def _machines(self) -> int:
        with self.connect() as connection:
            found = connection.channel().queue_declare(self.queue, passive=True)
        return int(found.method.consumer_count)

    def _freeze(self, still: bool) -> None:
        for machine in self.programs.values():
            (machine.pause if still else machine.resume)()


class SilentLimit(RabbitMQPatient):
    """After some deliveries the queue gives an order up, and where it would send it there is nothing."""

    name = "delivery limit without a dead-letter target"
    symptoms = (
        "Some orders vanish. The shop has their confirms, the packers say they never packed them, and they "
        "are in no queue. There is no error. It is always such with an odd quantity. A colleague would "
        "read them in `parking`; she says that nothing has come for weeks."
    )
    LIMIT = 3
    KINDS = ("none", "no exchange", "no binding")
    hints = (
        "`helpers.audit.audit(patient.brokers)` has something to say of the queue.",
        '`patient.api("/api/queues/{vhost}/orders")["arguments"]`: how often may an order be delivered, '
        "and where does it go then? Is that there, and is a queue bound to it?",
        "Give the dead letters a way to `parking` (a policy, or the exchange and binding that are "
        "missing). Then see which orders of `patient.book` were lost meanwhile: not in "
        "`patient.handled()`, and in no queue. They can be sent again.",
    )

    def break_it(self) -> None:
        kind = self.data.choice(self.KINDS)
        more = {} if kind == "none" else {"x_dead_letter_exchange": "given-up"}
        self.make("quorum", x_delivery_limit=self.LIMIT, **more)
        if kind == "no binding":
            with self.connect() as connection:
                connection.channel().exchange_declare("given-up", "fanout", durable=True)
        self.odd = [self.unreadable() for _ in range(self.data.randint(2, 4))]
        orders = [*self.numbers(self.data.randint(15, 25)), *self.odd]
        self.data.shuffle(orders)
        self.send(orders)
        self._launch("packer-1", self.options)
        good = {order for order in orders if order.isdecimal()}
        done = lambda: not good - self.handled().keys() and self._idle()  # noqa: E731
        wait_until(done, "the odd orders to be given up", 2 * PATIENCE)

    def _idle(self) -> bool:
        """Has each odd order been delivered as often as it may?"""
        tried = Counter(order for _, order in self.programs["packer-1"].said("unreadable"))
        return all(tried[order.replace(" ", "_")] > self.LIMIT for order in self.odd)

    def expect_cured(self) -> str:
        new, bad = self.numbers(10), self.unreadable()
        self.send([*new[:3], bad, *new[3:]])
        self.expect_packed(
            self.book,
            "still_blocked",
            "these orders wait",
            "Does an order that can't be packed come back for ever? Some limit must be there.",
        )
        self.expect_parked([bad])
        self.odd.append(bad)
        self.expect_parked(self.odd)
        self.expect_unharmed()
        return (
            "what the queue gives up is parked, and the orders that had vanished are there again."
        )


class Expired(RabbitMQPatient):
    """A policy lets what waits too long expire; it was meant for another queue."""

    name = "expired messages"
    symptoms = (
        "On quiet days all is well. When many orders come at once, some are never packed, and nobody gets "
        "an error, neither the shop nor the packer. It began when marketing introduced its `offers`, "
        "which are worth nothing after a second. What must stay: an old offer is never shown."
    )
    in_hand: ClassVar = {**RabbitMQPatient.in_hand, "offers": "marketing's queue"}
    hints = (
        "Send twenty orders at once, and count for two seconds how many wait.",
        '`patient.ctl("list_policies", "-p", patient.vhost)`: which queues does the pattern match?',
        "Let the policy match `offers` only. Orders that have expired are still in `patient.book`.",
    )
    offers = "offers"

    def break_it(self) -> None:
        self.make()
        with self.connect() as connection:
            clients.declare_queue(connection.channel(), self.offers, "classic")
        pattern = self.data.choice(["^o", "^(offers|orders)", "s$", "^[m-o]"])
        if pattern == "s$":
            pattern = "[er]s$"  # offers and orders, and not the invoices
        policy = {"pattern": pattern, "definition": {"message-ttl": SHORT}, "apply-to": "queues"}
        self.api("/api/policies/{vhost}/offers", "PUT", policy)
        wait_until(lambda: self.policy(self.queue), "the policy to hold", PATIENCE)
        self._launch("packer-1", {**self.options, "seconds": 0.2})
        with self.connect() as connection:
            clients.wait_for_consumers(connection.channel(), self.queue, 1)
        self.send(self.numbers(self.data.randint(20, 30)))
        empty = lambda: self.handled() and self.ready() == 0  # noqa: E731
        wait_until(empty, "the queue to be empty", PATIENCE)

    def expect_cured(self) -> str:
        if "message-ttl" not in self.policy(self.offers):
            raise Wrong(
                "offers",
                "old offers don't expire any more, and marketing shows them to customers.",
                "The rule was right for `offers`. Which queues are none of its business?",
            )
        patient = lambda: self.policy(self.queue).get("message-ttl", LONG) >= LONG  # noqa: E731
        if not eventually(patient, PATIENCE / 4):  # a policy takes a moment to hold
            raise Wrong(
                "still_expiring",
                f"an order that waits longer than {self.policy(self.queue)['message-ttl']} ms is deleted.",
                "An order must be packed, however late. Which rule is it that makes it expire?",
            )
        probes = self.numbers(10)
        for packer in self.programs.values():
            packer.pause()
        with self.connect() as connection:
            clients.publish(connection.channel(), self.offers, ["cheap shoes"])
        self.send(probes)
        expired = eventually(lambda: self.ready(self.offers) == 0)
        wait = self.bodies(self.queue)
        for packer in self.programs.values():
            packer.resume()
        if not expired:
            raise Wrong("offers", "an offer didn't expire.", "Which policy holds for `offers`?")
        if len(wait) + len(self.programs) < len(probes):
            raise Wrong("still_expiring", "orders expire while they wait.", "Which rule does that?")
        self.expect_packed(
            self.book, "not_packed", "these orders wait", "Does a packer run?", PATIENCE
        )
        self.expect_unharmed()
        return "orders wait as long as they must, old offers don't, and what had expired is packed."


PATIENTS = (PoisonLoop, UnboundedPrefetch, SilentLimit, Expired)
