"""Patients on Kafka: orders in a topic, and packers in one consumer group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from .. import clients
from ..brokers import Brokers, up
from ..exercises.answers import Wrong
from ..names import fresh
from ..programs import Program
from ..waiting import wait_until
from .patient import PATIENCE, Patient, eventually, some

SHOP = "clinic_shop_kafka.py"
FEW = 25  # records of lag that a group which keeps up may have at a moment
PROBES = 240  # orders that the check sends itself


class KafkaPatient(Patient):
    """A topic, the packers' group, and the bookkeepers' group, who read the same topic once a day."""

    program = "clinic_packer_kafka.py"
    in_hand: ClassVar = {
        "brokers": "Kafka, for `clients`, kafka-python and `audit`",
        "topic": "where the orders are",
        "group": "the packers' consumer group (`patient.bookkeepers` is another one)",
        "handled()": "which orders were packed, and how often",
        "programs": "what runs, by name; `patient.start`, `restart` and `stop` change it",
        "running_with": "the options of each of them",
    }
    partitions = 4

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._brokers = up("kafka", quiet=True)
        self.topic, self.group = fresh("orders"), fresh("packers")
        self.bookkeepers = fresh("bookkeepers")

    @property
    def brokers(self) -> Brokers:
        return self._brokers

    @property
    def kafka(self) -> dict[str, Any]:
        """Options of a client."""
        return self.brokers.kafka or {}

    @property
    def servers(self) -> str:
        """Where Kafka is."""
        return str(self.kafka["bootstrap_servers"])

    def arguments(self) -> list[object]:
        return [self.servers, self.topic, self.group]

    def make(self) -> None:
        """The topic, with some orders that the bookkeepers have read already."""
        clients.make_topic(self.brokers, self.topic, self.partitions)
        self._topic_id = self._described()["topic_id"]
        clients.send(self.brokers, self.topic, range(1, 2 * self.partitions + 1))
        read = {p: OffsetAndMetadata(end, "", -1) for p, end in self.ends().items()}
        with KafkaAdminClient(**self.kafka) as admin:
            wait_until(
                lambda: admin.alter_group_offsets(self.bookkeepers, read) or True,
                "the bookkeepers' offsets",
                PATIENCE,
                tolerate=clients.NO_GROUP_YET,
            )
        self._read_by_bookkeepers = clients.committed(self.brokers, self.bookkeepers)

    def clean_up(self) -> None:
        with KafkaAdminClient(**self.kafka) as admin:
            admin.delete_topics([self.topic], raise_errors=False)
            with suppress(KafkaError):
                admin.delete_groups([self.group, self.bookkeepers])

    def lag(self) -> int:
        """How many orders the packers have not committed."""
        return clients.lag(self.brokers, self.topic, self.group)

    def ends(self) -> dict[TopicPartition, int]:
        """The end of each partition."""
        with KafkaConsumer(**self.kafka) as consumer:
            found = [TopicPartition(self.topic, n) for n in range(self.partitions)]
            return dict(consumer.end_offsets(found))

    # -- what no repair may do -------------------------------------------------------------------

    def expect_unharmed(self, *, shop: bool = True) -> None:
        """That topic and orders are what they were, and that others find their own.

        Raises:
            Wrong: they don't.
        """
        described = self._described()
        if described.get("topic_id") != self._topic_id:
            raise Wrong(
                "recreated",
                f"the topic {self.topic} isn't the one that was admitted.",
                "Who deletes a topic deletes its orders, also those that other groups still need.",
            )
        if (now := len(described["partitions"])) != self.partitions:
            raise Wrong(
                "partitions",
                f"the topic has {now} partitions, not {self.partitions}.",
                "More partitions can't be taken back, and a key's orders go elsewhere from now on.",
            )
        if clients.committed(self.brokers, self.bookkeepers) != self._read_by_bookkeepers:
            raise Wrong(
                "bookkeepers",
                "the bookkeepers' offsets have been moved: they would miss orders, or book them twice.",
                "A group's offsets are its own. Leave other groups alone.",
            )
        if shop and not ("shop" in self.programs and self.programs["shop"].running()):
            raise Wrong(
                "shop_stopped",
                "the shop's desk doesn't run: nobody can order.",
                "Orders that don't come are no cure. Start it again: "
                "patient.start_shop() has it as it was.",
            )
        self._expect_nothing_lost()

    def _expect_nothing_lost(self) -> None:
        """What is committed must have been packed. The offsets are asked for first: they only grow."""
        committed = clients.committed(self.brokers, self.group)
        packed = self.handled()
        records = clients.read_topic(self.brokers, self.topic)
        if any(first > 0 for first in self._starts().values()):
            raise Wrong(
                "deleted",
                "orders have been deleted from the topic.",
                "What a retention setting or delete_records takes away is gone for all groups.",
            )
        lost = [
            number
            for one in records
            if one.offset < committed.get(TopicPartition(one.topic, one.partition), 0)
            and (number := one.value.split()[0].decode()) not in packed
        ]
        if lost:
            raise Wrong(
                "lost",
                f"{len(lost)} orders are committed, and nobody has packed them: {some(lost)}.",
                "The lag is gone, the work isn't done. A committed offset is a bookmark; it can be "
                "moved back to where the packers really were.",
            )

    def _starts(self) -> dict[TopicPartition, int]:
        with KafkaConsumer(**self.kafka) as consumer:
            found = [TopicPartition(self.topic, n) for n in range(self.partitions)]
            return dict(consumer.beginning_offsets(found))

    def _described(self) -> dict[str, Any]:
        with KafkaAdminClient(**self.kafka) as admin:
            found = [t for t in admin.describe_topics() if t["name"] == self.topic]
        return found[0] if found else {"topic_id": None, "partitions": []}

    def expect_lag_to_fall(self, hint: str) -> None:
        """That the packers catch up with the shop.

        Raises:
            Wrong: they don't.
        """
        before = self.lag()
        if eventually(lambda: self.lag() < FEW, PATIENCE / 3):
            return
        if self.lag() >= before or not eventually(lambda: self.lag() < FEW, 2 * PATIENCE):
            raise Wrong("still_growing", "the group doesn't catch up with the shop.", hint)


class WithShop(KafkaPatient):
    """Its shop takes orders all the time."""

    in_hand: ClassVar = {
        **KafkaPatient.in_hand,
        "start_shop": "starts the shop's desk again, should it have ended",
    }
    every = 0.02
    key = "none"

    def start_shop(self, key: str = "") -> Program:
        """Have the shop's desk go on where it was; stop it first if it runs.

        Args:
            key: "customer", "city" or "none"; as it was if none is given.
        """
        key = key or str(self.running_with.get("shop", {}).get("key", self.key))
        if "shop" in self.programs:
            self.stop("shop")
        first = max(self._sold(), default=2 * self.partitions) + 1
        words = ["--key", key, "--every", self.every, "--first", first]
        self.programs["shop"] = Program(SHOP, self.servers, self.topic, *words)
        self.running_with["shop"] = {"key": key}
        return self.programs["shop"]

    def restart(self, packer: str, **options: str | int | float) -> Program:
        if packer == "shop":
            return self.start_shop(**options)  # type: ignore[arg-type]
        return super().restart(packer, **options)

    def _sold(self) -> list[int]:
        every = [*self._ended, *self.programs.values()]
        return [int(order) for one in every for _, order in one.said("acknowledge")]


class GrowingLag(WithShop):
    """One packer for a topic that gets more than one packer can do."""

    name = "growing lag"
    symptoms = (
        "Since we advertise on television, customers wait longer every hour. The packer is busy all day, "
        "without a break and without an error. Yesterday somebody made the dashboard green again for an "
        "hour; afterwards customers called whose orders never came."
    )
    options: ClassVar = {"most": 5}
    hints = (
        "Measure twice, with a few seconds between: `clients.lag(patient.brokers, patient.topic, "
        "patient.group)`. How many orders a second come, how many are packed?",
        "How many members has the group, and how many partitions the topic?",
        "A packer manages about 18 orders a second, and the shop sells 50. "
        '`patient.start("packer-2")` starts one more.',
    )

    def break_it(self) -> None:
        self.partitions = self.data.randint(4, 6)
        self.make()
        self._launch("packer-1", self.options)
        clients.wait_for_group(self.brokers, self.group, 1)
        self.start_shop()
        wait_until(lambda: self.lag() > 2 * FEW, "the lag to grow", 3 * PATIENCE)

    def expect_cured(self) -> str:
        self.expect_unharmed()
        self.expect_lag_to_fall("Who does the work, and how much of it comes in a second?")
        self.expect_unharmed()
        return "the packers keep up with the shop, and every order that is committed is packed."


class HotPartition(WithShop):
    """Orders are keyed by a city in which nearly all customers live."""

    name = "hot partition"
    symptoms = (
        "We have four packers, and orders pile up. Three of them sit around most of the day. "
        "We had hired two for it, and then two more; it made no difference. What must stay: the orders of "
        "one customer are packed in the order in which they came."
    )
    in_hand: ClassVar = {
        **WithShop.in_hand,
        "start_shop": 'as `patient.start_shop(key="none")`, has the desk go on with another key: '
        "`city`, `customer` or `none`",
    }
    key, every = "city", 0.04
    hints = (
        "Look at the lag of each partition, not at the sum: `clients.committed` and the end offsets.",
        "Read some records (`clients.read_topic`): which keys have they, and in which partition is each?",
        "The key decides the partition. Nine of ten customers live in the capital, and the key is the "
        "city. Which other key keeps one customer's orders together?",
    )

    def arguments(self) -> list[object]:
        return [*super().arguments(), "--seconds", 0.06]

    def break_it(self) -> None:
        self.make()
        for number in range(1, 5):
            self._launch(f"packer-{number}", self.options)
        clients.wait_for_group(self.brokers, self.group, 4)
        self.start_shop()
        wait_until(lambda: self.lag() > 2 * FEW, "the lag to grow", 3 * PATIENCE)

    def expect_cured(self) -> str:
        self.expect_unharmed()
        begin = self.ends()
        enough = lambda: sum(self.ends().values()) >= sum(begin.values()) + 120  # noqa: E731
        if not eventually(enough, 2 * PATIENCE):
            raise Wrong("shop_stopped", "no new orders come.", "Does the shop's desk still run?")
        new = [
            (one.partition, one.value.split()[1])
            for one in clients.read_topic(self.brokers, self.topic)
            if one.offset >= begin[TopicPartition(one.topic, one.partition)]
        ]
        share = Counter(partition for partition, _ in new)
        if max(share.values()) > len(new) / 2:
            raise Wrong(
                "still_hot",
                f"of the last {len(new)} orders {max(share.values())} went to one partition.",
                "A packer more helps only where there is another partition with work. "
                "What decides which partition an order goes to?",
            )
        homes = Counter(customer for _, customer in set(new))
        if split := [customer.decode() for customer, number in homes.items() if number > 1]:
            raise Wrong(
                "order_lost",
                f"the orders of {some(split)} are spread over several partitions now.",
                "Two packers at one customer's orders: who promises that the first is packed first? "
                "A partition keeps the order, and the key decides the partition.",
            )
        self.expect_lag_to_fall("Are there packers for all partitions?")
        self.expect_unharmed()
        return "the load is spread, each customer's orders are together, and no order is lost."


class RebalanceStorm(KafkaPatient):
    """A packer takes more orders at a time than it can pack before the group gives up on it."""

    name = "rebalance storm"
    symptoms = (
        "Customers get the same parcel three times, and others get none. Both packers are at work all "
        "day. The logs are full of rebalances. It began with the heavy catalogue: an order takes longer "
        "to pack than it used to. We have restarted everything; it comes back within a minute."
    )
    options: ClassVar = {"most": 80, "interval": 1.5, "session": 6.0}
    partitions = 2
    hints = (
        "Which orders were packed more than once? `patient.handled()` counts. Does the committed "
        "offset move at all?",
        '`patient.programs["packer-1"].said("refused")`: what is refused, and when? '
        "How long is a round of the packer, from one fetch to the next?",
        "A round is `most` orders, of 0.03 s each. Who doesn't ask for more within `interval` seconds "
        "is thrown out of the group, and may not commit. "
        "Either number will do; but a stuck packer must still be noticed within five minutes.",
    )

    def break_it(self) -> None:
        self.make()
        self._sent = 1000 + self.data.randint(240, 300)
        self._send(range(1000, self._sent))
        for number in (1, 2):
            self._launch(f"packer-{number}", self.options)
        wait_until(
            lambda: max(self.handled().values(), default=0) > 1,
            "an order to be packed twice",
            3 * PATIENCE,
        )

    def expect_cured(self) -> str:
        self.expect_unharmed(shop=False)
        if slow := [n for n, has in self.running_with.items() if float(has["interval"]) > 300]:
            raise Wrong(
                "blind",
                f"if {slow[0]} gets stuck, nobody notices for more than five minutes.",
                "The interval is there to find a packer that hangs. What else makes a round shorter?",
            )
        if not eventually(lambda: self.lag() == 0, PATIENCE):
            raise Wrong(
                "still_stormy",
                "the packers don't get through: orders are packed, and may not be committed.",
                "How long is a round, and how long may it be?",
            )
        probes = [str(self._sent + number) for number in range(PROBES)]
        self._sent += PROBES
        self._send(probes)
        if not eventually(lambda: self.lag() == 0, 2 * PATIENCE):
            raise Wrong(
                "still_stormy",
                "it went well until many orders came at once; then rebalances began again.",
                "How long is a round when there are as many orders as it may fetch?",
            )
        self.expect_unharmed(shop=False)
        packed = self.handled()
        if twice := [order for order in probes if packed[order] > 1]:
            raise Wrong(
                "doubled",
                f"of {PROBES} new orders {len(twice)} were packed more than once.",
                "Who loses his share in the middle of a round packs for nothing.",
            )
        return "a round ends in time: new orders are packed once each, and nothing is lost."

    def arguments(self) -> list[object]:
        return [*super().arguments(), "--seconds", 0.03]

    def _send(self, orders: Iterable[object]) -> None:
        """All at once, so that a packer finds as many as it may fetch."""
        with KafkaProducer(acks="all", linger_ms=300, **self.kafka) as producer:
            for number, order in enumerate(orders):
                value = str(order).encode()
                producer.send(self.topic, value, partition=number % self.partitions)
            producer.flush(timeout=PATIENCE)


PATIENTS = (GrowingLag, HotPartition, RebalanceStorm)
