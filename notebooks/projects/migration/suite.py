"""Acceptance suite of the migration: a shop moves from RabbitMQ to Kafka while it sells, and every process
and both brokers die on the way.

Programs of a system, each told ``--rabbitmq URL``, ``--kafka HOST:PORT``, ``--name`` and ``--folder``:

- ``relay.py`` publishes what the shop puts into its outbox: the table ``outbox (position, message_id,
  order_id, body)`` of ``shop.db`` in the folder, which the relay makes. A body is
  ``{"order": 7, "entry": 2, "cents": 300}``, an order's entries are numbered from 1;
- ``old_consumer.py`` reads the queue NAME.orders of the fanout exchange NAME, and ``new_consumer.py`` the
  topic NAME.orders. Both write to ``ledger.db``: the tables ``ledger`` and ``shadow``, each
  ``(position, message_id, order_id, entry, cents)``. What can't be booked goes to NAME.parked, a queue
  or a topic, as it came, and the header ``reason`` says why. What is too large for Kafka is there, too;
- ``bridge_to_kafka.py`` reads the queue NAME.bridge of the exchange, ``bridge_to_rabbitmq.py`` the topic.
  Another department reads a queue of its own at the exchange until step 5, and its till publishes there.
  Its messages may be as large as RabbitMQ takes them, and a ``key`` of its own may be a number;
- ``migrate.py status|forward|back`` takes one step, and keeps it in ``migration.db``: the table
  ``migration (step, goal)``, with another goal while it is under way. It prints a line ``waiting …``
  with the name of the program for which it waits. What can't be
  done within half a minute it gives up, with an exit code.

A message's id is AMQP's ``message_id``, and the header ``message_id`` of a record. Its order is the AMQP
header ``key``, and the record's key. ``ledger.db`` keeps SQLite's own journal: with a write-ahead log
(WAL) no commit waits for somebody who reads, as the suite does when it kills in the midst of one.

The steps: 0 RabbitMQ alone, 1 mirrored to Kafka, 2 the new consumer books into the shadow, 3 into the
ledger too, 4 the relay publishes to Kafka, 5 the queues are gone.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

import pika
from kafka import KafkaProducer
from kafka.errors import KafkaError

from helpers import clients, fresh, nodes, wait_until
from helpers.books import Books
from helpers.waiting import WaitTimeout

SERVICES = "relay", "old_consumer", "bridge_to_kafka", "bridge_to_rabbitmq"
OWN_ORDERS, TILL_ORDERS = 4, 2  # so many grow at a time
SECONDS = 20.0  # for what takes one or two
MOMENT = 2.0  # seconds in which somebody shows that he goes on too early
ATTEMPTS = 2  # of a step: a broker may be slow once
COPIES = 20  # of one message in the topic: more come out of no crash
BAD = ["no JSON", "[]", "{}", "[" * 50_000]
LARGE = 1_200_000  # bytes: too many for a record
BAD_ENTRIES = [{"cents": -5}, {"cents": "300"}, {"entry": True}, {"order": None}, {"cents": 10**30}]
OUTBOX = "SELECT message_id FROM outbox"
LOST = (pika.exceptions.AMQPError, sqlite3.Error)


class StuckError(Exception):
    """The migration doesn't go on, so nothing more is tried."""


def trial(trial):
    """One trial, from RabbitMQ alone to Kafka alone."""
    system = _System(trial)
    with suppress(StuckError):
        system.sell_as_ever()
        system.mirror()
        system.break_both_brokers()
        system.begin_the_shadow()
        system.move_the_consumer()
        system.move_the_relay()
        system.close_the_queues()
    system.wait_for_the_end()
    system.promise_moves()
    system.promise_books()
    system.promise_brokers()
    system.promise_parking()
    trial.promise_to_run()


class _System:
    """The shop, its services and brokers, and what is done to them."""

    def __init__(self, trial):
        self._trial, self._data = trial, trial.data
        self._rabbitmq, self._kafka = nodes.RabbitMQ({}), nodes.Kafka({}, {})
        trial.stack.callback(self._rabbitmq.close)
        trial.stack.callback(self._kafka.close)
        self._name, self._step = fresh("shop"), 0
        self._turn = self._data.randint(1, 5)  # the step from which one goes back once
        self._placed, self._entries = {}, Counter()  # by id; entries by order
        self._heard = {}  # by the other department: in the order of the first
        self._bad, self._stuck, self._deleted = {}, [], []  # bad bodies, and on which brokers
        url = f"amqp://guest:guest@127.0.0.1:{self._rabbitmq.port}"
        address = self._kafka.options()["bootstrap_servers"]
        told = ["--rabbitmq", url, "--kafka", address, "--name", self._name]
        self._told = [*told, "--folder", trial.space]
        names = "ledger", "shop", "migration"
        self._books, self._shop, self._steps = (Books(trial.space / f"{one}.db") for one in names)
        with self._channel() as channel:
            channel.exchange_declare(self._name, "fanout", durable=True)
            clients.declare_queue(channel, f"{self._name}.other")
            channel.queue_bind(f"{self._name}.other", self._name)
        self._services = {one: trial.start(f"{one}.py", *self._told) for one in SERVICES}
        self._wait("the relay to make the outbox", lambda: "outbox" in self._shop.tables())
        self._wait("the old consumer", lambda: self._queue("orders").consumer_count)

    # -- deeds, step by step ---------------------------------------------------------------------

    def sell_as_ever(self):
        """Relay and consumer are killed at their work; then the consumer stands still over a rest."""
        with self._books.audit():
            self._place(10)
            self._kill_in_commit("old_consumer")
        enough = len(self._listen()) + self._data.randint(1, 4)
        self._place(6)
        self._wait("some messages", lambda: len(self._listen()) >= enough)
        self._kill("relay", "while it published")
        self._spoil(via="rabbitmq")
        self._wait("all to be booked", self._is_booked)
        self._freeze("old_consumer")
        self._place(14)
        self._wait("RabbitMQ to have all", self._is_heard)
        self._trial.struck("the old consumer stood still, and 14 entries waited for it")

    def mirror(self):
        """The bridge begins; what waits in the old queue is not mirrored."""
        self._go(1)
        self._turn_back(1, 0, lambda: None)

    def break_both_brokers(self):
        """Kafka dies with messages on their way over the bridge, then RabbitMQ; then all is there again."""
        self._place(4)
        self._wait("Kafka to have all", self._is_mirrored)
        self._kafka.kill()
        before = len(self._listen())
        self._place(8)
        self._ring_up(4)
        held = lambda: self._queue("bridge").message_count < len(self._listen()) - before  # noqa: E731
        self._wait("the bridge to have some in hand", held)
        self._rabbitmq.ctl(
            "list_channels", "pid", "--silent"
        )  # a look, long enough for a hasty word
        self._kill("bridge_to_kafka", "with messages in hand, while Kafka was dead")
        self._kill("relay", "at the same time")
        self._stop_a_publishing()
        self._rabbitmq.kill()
        relay = self._services["relay"]
        words = len(relay.words())
        self._place(3)
        tried = lambda: len(relay.words()) > words or not relay.running()  # noqa: E731
        self._wait("the relay to notice that RabbitMQ is dead", tried)
        self._kill("relay", "while RabbitMQ was dead")
        self._rabbitmq.start()
        self._kafka.start()
        self._wait("RabbitMQ to have its queues", lambda: self._queue("other"))
        self._trial.struck("both brokers were killed, and started on their data")

    def _stop_a_publishing(self):
        """The broker stands still, and the relay is killed before it can have heard that it has them."""
        left = lambda: len(self._shop.rows(OUTBOX))  # noqa: E731
        self._place(1)  # so that it is at work again
        self._wait("RabbitMQ to have all", lambda: self._is_heard() and not left())
        self._rabbitmq.pause()
        self._place(3)
        self._trial.comes(lambda: left() < 3, MOMENT)
        self._kill("relay", "with entries to publish, while RabbitMQ stood still")

    def begin_the_shadow(self):
        """The old consumer wakes late, the new one comes late; and copies come."""
        self._go(2, self._services["old_consumer"].resume)
        self._place(8)
        self._spoil(via="rabbitmq")
        self._wait("Kafka to have all", self._is_mirrored)
        self._services["new_consumer"] = self._trial.start("new_consumer.py", *self._told)
        self._wait("the shadow to be like the ledger", self._is_shadowed)
        self._turn_back(2, 1, lambda: None)
        self._freeze("old_consumer")
        with self._books.audit():
            self._place(8)
            self._kill_in_commit("new_consumer")
        self._kill("old_consumer", "while it stood still")
        there = self._wait("Kafka to have all", self._is_mirrored)
        if there and self._wait("the shadow to be like the ledger", self._is_shadowed):
            self._send_copies()  # not earlier: a copy would make good for what was lost
            self._wait("the shadow to be like the ledger", self._is_shadowed)

    def move_the_consumer(self):
        """At the cut the old consumer is a zombie with a rest in hand; it wakes long after."""
        zombie = self._services["old_consumer"]
        self._freeze("old_consumer")
        self._place(14)
        self._wait("the shadow to have all", lambda: self._has("shadow"))
        behind = len(self._placed) - len(self._ids("ledger"))
        self._go(3)
        self._place(4)
        self._wait("the new consumer to book all", self._is_booked)
        self._trial.struck(
            f"at the cut the old consumer stood still, and {behind} entries were left"
        )
        zombie.resume()
        self._wait("the zombie to come to its end", lambda: not self._queue("orders").message_count)
        self._turn_back(3, 2, lambda: self._wait("all to be booked", self._is_booked))
        self._kill("new_consumer")
        self._kill("bridge_to_rabbitmq")

    def move_the_relay(self):
        """The bridge stands still with a rest when the relay is to move, and the operator is killed."""
        bridge = self._services["bridge_to_kafka"]
        bridge.pause()
        self._place(6)
        self._wait("RabbitMQ to have all", self._is_heard)
        operator = self._run("forward")
        self._let_wait(operator, "bridge_to_kafka")
        self._place(6)
        if operator.running():
            operator.kill()
            self._trial.struck("the operator was killed while the relay was to move")
        else:
            self._wait("all to be booked", self._is_booked)
        bridge.resume()
        if self._data.random() < 0.5 and self._state() == (3, 4):
            self._operate("back", 3)
            self._trial.struck("and gave the step up in his next life")
        self._go(4)
        self._wait("the department to hear all", self._is_heard)
        self._turn_back(4, 3, lambda: self._wait("all to be heard", self._is_heard))
        heard = len(self._listen())
        self._place(6)
        self._wait("some to be carried back", lambda: len(self._listen()) > heard)
        self._ring_up(2)
        self._spoil(via="kafka")
        for service in ("relay", "bridge_to_rabbitmq", "bridge_to_kafka"):
            self._kill(service)

    def close_the_queues(self):
        """The old consumer stands still over a rest, and the operator is to delete its queue."""
        self._wait("the department to hear all", self._is_heard)
        old = self._services["old_consumer"]
        self._wait("the old consumer", lambda: self._queue("orders").consumer_count)
        self._freeze("old_consumer")
        self._place(1)  # it is in its hands
        self._wait("the department to hear all", self._is_heard)
        operator = self._run("forward")
        self._let_wait(operator, "old_consumer")
        if not self._has_queue("orders"):
            self._deleted.append("the queue orders, with an entry in a consumer's hands")
        if operator.running():
            operator.kill()
            self._trial.struck("the operator was killed before the queue was empty")
        old.resume()
        self._go(5)
        self._turn_back(5, 4, lambda: self._wait("the department to hear all", self._is_heard))
        self._place(6)

    def wait_for_the_end(self):
        """All that was ordered is booked, or nothing comes any more."""
        self._wait("all to be booked", lambda: self._is_booked() and self._is_shadowed())
        if self._step == 5:
            self._wait("the queues to be gone", lambda: not self._queues_left())

    # -- operator --------------------------------------------------------------------------------

    def _go(self, step, meanwhile=None):
        """One step forward, to this one; ``meanwhile`` is done when the operator waits, or has ended."""
        if self._step and max(self._topic().values(), default=0) > COPIES:
            raise StuckError  # round and round, and there's no end to it
        if self._state()[0] != step:
            self._operate("forward", step, meanwhile)
        elif meanwhile:
            meanwhile()
        self._step = step

    def _turn_back(self, step, to, there):
        """If this is the step from which one goes back: back, orders come, and forward again."""
        if self._turn != step:
            return
        self._operate("back", to)
        self._step = to
        self._place(6)
        there()
        self._trial.struck(f"the way back was taken, from step {step} to {to}")
        self._go(step)

    def _operate(self, command, step, meanwhile=None):
        for _ in range(ATTEMPTS):
            operator = self._run(command)
            if meanwhile:
                self._let_wait(operator, "old_consumer")
                meanwhile()
            with suppress(WaitTimeout):  # it gives up by itself, earlier than this
                wait_until(lambda one=operator: not one.running(), "the operator to end", 45)
            if self._state() == (step, step):
                return
        word = (operator.words() or ["no word"])[-1]
        self._stuck.append(f"{command} to step {step}: {word}")
        raise StuckError

    def _run(self, command):
        return self._trial.run("migrate.py", command, *self._told)

    def _let_wait(self, operator, whom):
        """Until the operator waits for somebody, or has ended."""
        waits = lambda: any("waiting" in line and whom in line for line in operator.lines())  # noqa: E731
        self._wait(f"the operator to wait for {whom}", lambda: waits() or not operator.running())

    def _state(self):
        return (self._steps.rows("SELECT step, goal FROM migration") or [(0, 0)])[0]

    # -- what comes in ---------------------------------------------------------------------------

    def _place(self, number):
        """The shop sells: entries of a few orders, into the outbox."""
        orders = [1 + place % OWN_ORDERS for place in range(number)]
        self._data.shuffle(orders)
        rows = [self._draw(order) for order in orders]
        insert = "INSERT INTO outbox (message_id, order_id, body) VALUES (?, ?, ?)"
        with closing(sqlite3.connect(self._shop.file, timeout=20)) as shop, shop:
            shop.executemany(insert, rows)

    def _ring_up(self, number):
        """The other department's till publishes to the exchange: it has not moved."""
        with self._publishing() as publish:
            for _ in range(number):
                message_id, order, body = self._draw(100 + self._data.randint(1, TILL_ORDERS))
                publish(body, message_id=message_id, headers={"key": str(order)})

    def _draw(self, order):
        self._entries[order] += 1
        entry = {
            "order": order,
            "entry": self._entries[order],
            "cents": self._data.randint(1, 900),
        }
        message_id = f"{self._data.getrandbits(64):016x}"
        self._placed[message_id] = {**entry, "step": self._step}
        return message_id, order, json.dumps(entry).encode()

    def _spoil(self, via):
        """What can't be booked comes: at RabbitMQ, or at Kafka."""
        entries = [{"order": 9, "entry": 1, "cents": 1, "n": len(self._bad)} for _ in BAD_ENTRIES]
        wrong = [json.dumps(e | w) for e, w in zip(entries, BAD_ENTRIES, strict=True)]
        bodies = [f"{body} {self._step}{via}" for body in BAD] + wrong
        sides = {"rabbitmq"} | ({"kafka"} if self._step else set())
        send = []
        for number, body in enumerate(
            [*bodies, json.dumps(entries[0] | {"n": f"no id {via}{self._step}"})]
        ):
            self._bad[body.encode()] = sides
            named = f"bad {via} {self._step} {number}" if number < len(bodies) else None
            send.append((body.encode(), named))
        with self._publishing() as publish, self._producing() as produce:
            if via == "rabbitmq":
                large = (f"no JSON {self._step}" + "x" * LARGE).encode()
                self._bad[large] = {"rabbitmq"}
                send.insert(0, (large, f"bad {self._step} large"))
            for body, named in send:
                if via == "rabbitmq":
                    publish(body, message_id=named, headers={"key": 9})
                else:
                    produce(body, named)

    def _send_copies(self):
        """Of all messages so far, on both sides, shuffled within each order: nobody would book those."""
        copies = list(self._listen().items())
        self._data.shuffle(copies)
        with self._publishing() as publish, self._producing() as produce:
            for message_id, (properties, body) in copies:
                headers = properties.headers or {}
                if self._data.random() < 0.5:
                    publish(body, message_id=message_id, headers=headers)
                else:
                    produce(body, message_id, headers.get("key", "").encode(), "rabbitmq")
        self._trial.struck(f"copies of {len(copies)} messages came, some of them at Kafka")

    @contextmanager
    def _publishing(self):
        """A function that publishes to the exchange."""
        with self._channel() as channel:
            yield lambda body, **more: channel.basic_publish(
                self._name, "", body, pika.BasicProperties(delivery_mode=2, **more)
            )

    @contextmanager
    def _producing(self):
        """A function that sends to the topic."""

        def produce(body, message_id, key=None, origin=None):
            known = {"message_id": message_id, "origin": origin}
            headers = [(name, value.encode()) for name, value in known.items() if value]
            producer.send(f"{self._name}.orders", key=key, value=body, headers=headers)

        with KafkaProducer(acks="all", **self._kafka.options()) as producer:
            yield produce

    # -- services --------------------------------------------------------------------------------

    def _kill_in_commit(self, service):
        waits = self._wait(f"a commit of {service}", self._books.has_writer_waiting)
        self._kill(service, "in the midst of a commit" if waits else "at work")

    def _kill(self, service, when="at work"):
        """Kill it, and start it again."""
        self._services[service].kill()
        self._services[service].start()
        self._trial.struck(f"{service} was killed {when}")

    def _freeze(self, service):
        """Let it stand still, and not with the ledger's lock in its hands: then all would."""
        with self._books.locked():
            self._services[service].pause()

    def _wait(self, what, check, seconds=SECONDS):
        return self._trial.wait_until(check, what, seconds, tolerate=LOST)

    # -- what there is ---------------------------------------------------------------------------

    def _booked(self, table):
        find = f"SELECT message_id, order_id, entry, cents FROM {table} ORDER BY position"
        return self._books.rows(find)

    def _ids(self, table):
        return {row[0] for row in self._booked(table)}

    def _has(self, table):
        return self._placed.keys() <= self._ids(table)

    def _is_booked(self):
        return self._has("ledger")

    def _is_shadowed(self):
        return self._is_booked() and self._ids("shadow") == self._ids("ledger")

    def _is_heard(self):
        return self._due_to_others() <= self._listen().keys()

    def _is_mirrored(self):
        return self._due_in_kafka() <= self._topic().keys()

    def _due_to_others(self):
        """What the other department has to hear: all that came before the queues were closed."""
        return {one for one, entry in self._placed.items() if entry["step"] < 5}

    def _due_in_kafka(self):
        return {one for one, entry in self._placed.items() if entry["step"] > 0}

    def _listen(self):
        """What the other department has heard so far, each message once, in order."""
        with suppress(pika.exceptions.AMQPError), self._channel() as channel:
            take = lambda: channel.basic_get(f"{self._name}.other", auto_ack=True)  # noqa: E731
            for _, properties, body in iter(take, (None, None, None)):
                if properties.message_id in self._placed:
                    self._heard.setdefault(properties.message_id, (properties, body))
        return self._heard

    def _topic(self):
        """How often each message is in the topic, in the order of their first records."""
        found = Counter()
        for record in self._records("orders"):
            found[dict(record.headers).get("message_id", b"").decode(errors="replace")] += 1
        return found

    def _records(self, topic):
        with suppress(WaitTimeout, KafkaError, ValueError):  # the topic, too, may be missing
            where = SimpleNamespace(kafka=self._kafka.options())
            return clients.read_topic(where, f"{self._name}.{topic}")
        return []

    @contextmanager
    def _channel(self):
        with closing(pika.BlockingConnection(self._rabbitmq.rabbitmq)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel

    def _queue(self, queue):
        with self._channel() as channel:
            return channel.queue_declare(f"{self._name}.{queue}", passive=True).method

    def _has_queue(self, queue):
        try:
            return bool(self._queue(queue))
        except pika.exceptions.ChannelClosedByBroker:
            return False

    def _queues_left(self):
        return [queue for queue in ("orders", "bridge") if self._has_queue(queue)]

    # -- promises --------------------------------------------------------------------------------

    def promise_moves(self):
        """The way there, and back."""
        say = self._trial.promise
        say("moves", "Every step asked for is taken, forward and back", self._stuck, MOVES)
        say("not_deleted", "No queue is deleted that is not empty", self._deleted, DELETED)
        left = self._queues_left() if self._step == 5 else []
        left += [f"{one} in the outbox" for (one,) in self._shop.rows(OUTBOX)]
        say(
            "drained",
            "At the end nothing is left in outbox and queues, and those are gone",
            left,
            LEFT,
        )

    def promise_books(self):
        """The ledger, and the shadow."""
        say, ledger, shadow = self._trial.promise, self._booked("ledger"), self._booked("shadow")
        ids = Counter((row[1], row[2]) for row in ledger)
        wanted = {(m, e["order"], e["entry"], e["cents"]) for m, e in self._placed.items()}
        twice = [f"order {o}, entry {e}: {n} times" for (o, e), n in ids.items() if n > 1]
        strange = set(ledger) - wanted
        differ = set(ledger) ^ set(shadow) if self._step >= 2 else []
        say("nothing_lost", "Each entry is in the ledger", wanted - set(ledger), LOST_HINT)
        say("once", "Each entry is booked once, and no other", [*twice, *strange], TWICE)
        say("shadow", "The shadow has what the ledger has, to the last entry", differ, SHADOW)
        ahead = ["ledger.db"] if self._books.has_write_ahead_log() else []
        say("journal", "Whoever reads in the ledger holds up a commit", ahead, JOURNAL)
        orders = {
            "ledger": [row[0] for row in ledger],
            "shadow": [row[0] for row in shadow],
            "topic": [one for one in self._topic() if one in self._due_in_kafka()],
            "exchange": [one for one in self._listen() if one in self._due_to_others()],
        }
        wrong = [
            f"{where}: {what}" for where, those in orders.items() for what in self._late(those)
        ]
        say("order", "An order's entries come in their order, everywhere", wrong, ORDER)

    def _late(self, ids):
        """The entries that come after a later one of the same order."""
        last = defaultdict(int)
        for one in dict.fromkeys(ids):
            order, entry = (self._placed.get(one, {}).get(name, 0) for name in ("order", "entry"))
            if entry < last[order]:
                yield f"order {order}, entry {entry} after {last[order]}"
            last[order] = max(entry, last[order])

    def promise_brokers(self):
        """What went over the bridges."""
        say, topic = self._trial.promise, self._topic()
        named = lambda one: (one, *self._placed[one].values())  # noqa: E731
        missing = [named(one) for one in self._due_in_kafka() - topic.keys()]
        unheard = [named(one) for one in self._due_to_others() - self._listen().keys()]
        often = [f"{one}: {n} records" for one, n in topic.items() if n > COPIES and one]
        say("mirrored", "All that came since step 1 is in the topic", missing, MIRROR)
        say("others", "Who has not moved hears all up to step 4", unheard, OTHERS)
        say("no_loops", "Nothing goes round and round", often, LOOPS)

    def promise_parking(self):
        """What was put aside, on both sides."""
        parked = [
            (("kafka", record.value), dict(record.headers).get("reason"))
            for record in self._records("parked")
        ]
        with suppress(pika.exceptions.AMQPError), self._channel() as channel:
            take = lambda: channel.basic_get(f"{self._name}.parked", auto_ack=True)  # noqa: E731
            for _, properties, body in iter(take, (None, None, None)):
                parked.append((("rabbitmq", body), (properties.headers or {}).get("reason")))
        wanted = {(side, body) for body, sides in self._bad.items() for side in sides}
        self._trial.promise_parking("What can't be booked", wanted, parked, PARKED)


MOVES = "the operator's last line is shown. For whom did he wait, and was that one able to come?"
DELETED = "a queue that nobody reads is not empty. Who knows what is in a consumer's hands?"
LEFT = "who reads what is left, when the queue gets nothing new?"
LOST_HINT = "who had it when something was killed or moved, and who was to have it next?"
TWICE = "two consumers may meet one message. What tells the second one?"
SHADOW = "where does the shadow begin, and was everything older in the ledger by then?"
JOURNAL = "leave SQLite's journal as it is: with WAL, the suite kills nobody in a commit."
ORDER = "when the way changes, is all on the new way later than all that is still on the old one?"
MIRROR = "when does the sender forget a message, and who has it then? What if Kafka is away?"
OTHERS = "who publishes to the exchange, when the relay no longer does?"
LOOPS = "how does a bridge know what it has carried itself?"
PARKED = "what becomes of a message that no consumer can book, on each side?"
