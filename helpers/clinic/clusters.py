"""Patients that are a cluster, or a node of their own: it is their nodes that ail."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

import pika
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from .. import clients, nodes
from ..brokers import Brokers, RabbitMQCluster, kafka, kafka_cluster, ports, rabbitmq_cluster
from ..exercises.answers import Wrong
from ..names import fresh
from ..programs import Program
from ..settings import HOST
from ..waiting import wait_until
from .patient import PATIENCE, Patient, eventually, some

LARGE = 100_000  # bytes of a picture
BACKLOG = 800  # of these
TRICKLE = 1000  # bytes a second
ENOUGH = 50_000_000  # bytes of free disk that a broker should insist on
BEGUN = "acknowledge 50 "


class Sold:
    """What the shop's desk has been promised; it is the program ``shop`` of a patient."""

    programs: dict[str, Program]
    _ended: list[Program]

    def sold(self) -> set[str]:
        """The orders that were acknowledged."""
        every = [*self._ended, *self.programs.values()]
        return {order for one in every for _, order in one.said("acknowledge")}

    def _sales(self) -> int:
        """How often an order was acknowledged: a desk may count anew in each of its lives."""
        return sum(len(one.said("acknowledge")) for one in [*self._ended, *self.programs.values()])

    def expect_sales(self, kind: str, hint: str) -> None:
        """That new orders are acknowledged.

        Raises:
            Wrong: they aren't, or the shop's desk does not run.
        """
        if not (shop := self.programs.get("shop")) or not shop.running():
            raise Wrong(
                "shop_stopped",
                "the shop's desk doesn't run: nobody can order.",
                "Orders that don't come are no cure: `patient.start_shop()`.",
            )
        before = self._sales()
        if not eventually(lambda: self._sales() > before + 20, 1.5 * PATIENCE):
            raise Wrong(kind, "the shop's new orders aren't acknowledged.", hint)


class UnderReplicated(Sold, Patient):
    """A node copies what it has missed, by a limit of some bytes a second that somebody forgot."""

    name = "under-replication"
    symptoms = (
        'On Monday a node got a new disk. "We let it copy slowly, so that customers don\'t notice", said '
        "the colleague, and went on holiday. It is Thursday; all three nodes run; orders go through; and "
        "the dashboard still says `under-replicated`. Restarting the node changes nothing."
    )
    in_hand: ClassVar = {
        "cluster": "the three Kafka nodes, as `kafka_cluster()` returns them; node 1 is the controller",
        "brokers": "the same, for `clients` and `audit`",
        "topic": "the pictures of the catalogue (`patient.orders` has the orders)",
        "programs": "the shop's desk; `patient.start_shop()` starts it again, should it have ended",
    }
    hints = (
        "`helpers.audit.audit(patient.brokers)`; and which nodes are in sync: "
        "`patient.cluster.in_sync(patient.topic)`.",
        "The node runs and copies. What may hold it back? `describe_configs` of the topic, and of the "
        "node that leads it, show what somebody has set.",
        "`leader.replication.throttled.rate` of node 1 is a thousand bytes a second. It is for the time of "
        "a move, and must be taken away: `kafka-configs`, or `alter_configs` with a large number.",
    )
    RATE = "leader.replication.throttled.rate"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.cluster = kafka_cluster()
        self.topic, self.orders = fresh("pictures"), fresh("orders")

    @property
    def brokers(self) -> Any:
        return self.cluster

    def start_shop(self) -> Program:
        """Have the shop's desk go on; stop it first if it runs."""
        if "shop" in self.programs:
            self.stop("shop")
        first = max((int(order) for order in self.sold()), default=0) + 1
        words = [self.cluster.kafka["bootstrap_servers"], self.orders, "--first", first]
        self.programs["shop"] = Program("clinic_shop_kafka.py", *words)
        return self.programs["shop"]

    def break_it(self) -> None:
        behind = self.data.choice([2, 3])
        shape: dict[str, Any] = {"nodes": [1, 5 - behind, behind], "min_insync_replicas": "2"}
        clients.make_topic(self.brokers, self.orders, **shape)
        shape["leader_replication_throttled_replicas"] = "*"
        clients.make_topic(self.brokers, self.topic, **shape)
        known = lambda: self._described().get("topic_id")  # noqa: E731
        self._id = wait_until(known, f"all nodes to know the topic {self.topic}")
        self.start_shop().wait_for(BEGUN)
        self.cluster.stop(behind)
        out = lambda: behind not in self.cluster.in_sync(self.topic)  # noqa: E731
        wait_until(out, "the node to be out of sync", 3 * PATIENCE)
        with KafkaProducer(**self.cluster.kafka) as producer:
            for _ in range(BACKLOG):
                producer.send(self.topic, bytes(LARGE))
        self._configure(ConfigResourceType.BROKER, "1", {self.RATE: str(TRICKLE)})
        self.cluster.restart(behind)

    def expect_cured(self) -> str:
        found = self._described()
        if found.get("topic_id") != self._id:
            raise Wrong(
                "recreated",
                f"the topic {self.topic} isn't the one that was admitted.",
                "Who deletes a topic deletes its orders.",
            )
        [row] = found["partitions"]
        if len(row["replica_nodes"]) < 3:
            raise Wrong(
                "fewer_replicas",
                f"the topic has {len(row['replica_nodes'])} replicas, and had three.",
                "The dashboard is green since nobody wants the third copy any more. The node has room.",
            )
        if int(self._minimum()) < 2:
            raise Wrong(
                "lower_minimum",
                "min.insync.replicas is less than 2 now.",
                "An order may now be acknowledged that is on one node only. Leave the minimum.",
            )
        if not eventually(lambda: len(self.cluster.in_sync(self.topic)) == 3, 1.5 * PATIENCE):
            running = ", ".join(map(str, self.cluster.running()))
            raise Wrong(
                "still_behind",
                f"in sync are {self.cluster.in_sync(self.topic)}; running are {running}.",
                "A node that runs and isn't in sync is copying. How fast, and who says so?",
            )
        self.expect_sales("refused", "How many replicas are in sync, and what is the minimum?")
        sold = self.sold()
        records = clients.read_topic(self.brokers, self.orders)
        if lost := sold - {one.value.split()[0].decode() for one in records}:
            raise Wrong(
                "lost", f"orders are gone: {some(lost)}.", "Who was the leader, and in sync?"
            )
        return "all three replicas are in sync, the shop sells, and no order is lost."

    def clean_up(self) -> None:
        self.cluster.down()

    def _described(self) -> dict[str, Any]:
        with KafkaAdminClient(**self.cluster.kafka) as admin:
            found = [one for one in admin.describe_topics() if one["name"] == self.topic]
        return found[0] if found else {"partitions": []}

    def _minimum(self) -> str:
        wanted = ConfigResource(ConfigResourceType.TOPIC, self.topic)
        with KafkaAdminClient(**self.cluster.kafka) as admin:
            [configs] = admin.describe_configs([wanted])["topic"].values()
        return str(configs["min.insync.replicas"]["value"])

    def _configure(self, kind: ConfigResourceType, name: str, values: dict[str, str]) -> None:
        with KafkaAdminClient(**self.cluster.kafka) as admin:
            resource = ConfigResource(kind, name, values)
            admin.alter_configs([resource], incremental=True, raise_on_unknown=False)


class OnRabbitMQCluster(Sold, Patient):
    """A cluster of RabbitMQ's, a queue, and the shop's desk, which publishes to it with confirms."""

    in_hand: ClassVar = {
        "cluster": "the RabbitMQ nodes, as `rabbitmq_cluster()` returns them",
        "queue": "where the orders are",
        "programs": "the shop's desk; `patient.start_shop()` starts it again, should it have ended",
    }
    count = 3
    kind = "quorum"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.cluster = rabbitmq_cluster(self.count)
        self.queue = fresh("orders")

    @property
    def brokers(self) -> RabbitMQCluster:
        return self.cluster

    def start_shop(self) -> Program:
        """Have the shop's desk go on; stop it first if it runs. It counts from 1 in each life."""
        if "shop" in self.programs:
            old = self.programs.pop("shop")
            old.kill()  # it may be blocked, and would not end before that is over
            self._ended.append(old)
        ports = ",".join(str(self.cluster.rabbitmq(n).port) for n in self.cluster.nodes)
        self.programs["shop"] = Program("steady_publisher.py", ports, self.queue)
        return self.programs["shop"]

    def make(self) -> None:
        """The queue, with some orders, and the shop."""
        with pika.BlockingConnection(self.cluster.rabbitmq(1)) as connection:
            clients.declare_queue(connection.channel(), self.queue, self.kind)
        self.start_shop().wait_for(BEGUN)

    def hangs(self) -> bool:
        """Has the shop attempted an order that is not answered?"""
        shop = self.programs["shop"]
        return len(shop.said("attempt")) > len(shop.said("acknowledge"))

    def expect_all_there(self) -> None:
        """That each order that was confirmed is in the queue.

        Raises:
            Wrong: one isn't.
        """
        sold, there = self.sold(), set(self._bodies())
        if lost := sold - there:
            raise Wrong(
                "lost",
                f"{len(lost)} orders were confirmed, and aren't in the queue: {some(lost)}.",
                "A new or an emptied queue is no cure for one that can't be reached.",
            )

    def clean_up(self) -> None:
        self.cluster.down()

    def _bodies(self) -> Iterable[str]:
        """What is in the queue; it stays there."""
        found = []
        with pika.BlockingConnection(self.cluster.rabbitmq(1)) as connection:
            channel = connection.channel()
            with suppress(pika.exceptions.ChannelClosedByBroker):
                while (message := channel.basic_get(self.queue))[0]:
                    found.append(message[2].decode())
        return found


class LostQuorum(OnRabbitMQCluster):
    """Two of three nodes are down, so that the quorum queue has no majority."""

    name = "lost quorum"
    symptoms = (
        "Nobody can order. There is no error on the page, it hangs. The colleague who looks after the "
        "machines says that the broker is up, he has tried it: it answers on his port."
    )
    hints = (
        "`patient.cluster.running()`; and `helpers.audit.audit(patient.brokers)`.",
        "A quorum queue serves when a majority of its members is up. How many members has it, and how "
        "many are up?",
        "Start the nodes that are down: `patient.cluster.restart(…)`. One is enough to go on; and then "
        "how many more may fail?",
    )

    def break_it(self) -> None:
        self.make()
        for node in self.data.sample([2, 3], 2):
            self.cluster.stop(node)
        wait_until(self.hangs, "an order to hang", PATIENCE)

    def expect_cured(self) -> str:
        self.expect_sales("no_majority", "Which members of the queue are up? Is it a majority?")
        row = self._row()
        if row is None or row["type"] != "quorum":
            raise Wrong(
                "no_quorum_queue",
                f"{self.queue} isn't a quorum queue any more.",
                "A classic queue has one home. When that is down, so is the queue.",
            )
        if len(row["members"]) < 3:
            raise Wrong(
                "fewer_members",
                f"the queue has {len(row['members'])} member(s), and had three.",
                "A majority of one is no majority: the next node that fails has all orders with it.",
            )
        if not eventually(lambda: self._online() == 3, PATIENCE):
            raise Wrong(
                "no_spare",
                f"{self._online()} of three members are up: the next failure stops the shop again.",
                "Which node is still down?",
            )
        self.expect_all_there()
        return "all three members are up, the shop sells, and no order is lost."

    def _online(self) -> int:
        row = self._row()
        return len(row["online"]) if row else 0

    def _row(self) -> dict[str, Any] | None:
        """The queue, as RabbitMQ lists it."""
        columns = "name", "type", "members", "online"
        listed = self.cluster.ctl(1, "list_queues", *columns, "--formatter", "json", "--silent")
        return {one["name"]: one for one in json.loads(listed)}.get(self.queue)


class DiskAlarm(OnRabbitMQCluster):
    """The broker wants more free disk than there is, and reads from no publisher."""

    name = "disk alarm"
    symptoms = (
        "Since the new settings of last night the shop doesn't get rid of its orders. No refusal, no "
        "error, it waits. Whoever looks into the queue can read it. A restart of the shop doesn't help."
    )
    hints = (
        '`helpers.audit.audit(patient.brokers)`; or `patient.cluster.ctl(1, "status")`.',
        "An alarm stops everybody who publishes. Which resource is it about: is there really so little?",
        '`patient.cluster.ctl(1, "set_disk_free_limit", …)`. Some limit must be there, or the broker '
        "itself ends when the disk is full: 50 MB at least.",
    )
    count, kind = 1, "classic"

    def break_it(self) -> None:
        # a run that was cut off may have left it full
        self.cluster.ctl(1, "set_disk_free_limit", "50MB")
        self.make()
        self.cluster.ctl(1, "set_disk_free_limit", f"{self.data.randint(50, 99)}000GB")
        wait_until(lambda: self.hangs() and self._alarms(), "the alarm", PATIENCE)

    def expect_cured(self) -> str:
        eventually(lambda: not self._alarms(), PATIENCE / 4)
        self.expect_sales("still_blocked", "Is there an alarm, and for which resource?")
        if (limit := self._status()["disk_free_limit"]) < ENOUGH:
            raise Wrong(
                "no_guard",
                f"the broker insists on {limit} bytes of free disk only.",
                "The alarm is off, and so is what it was for: with a full disk the broker ends, and "
                "what it was writing is broken. 50 MB at least.",
            )
        self.expect_all_there()
        return "the shop sells, a sensible limit holds, and no order is lost."

    def _status(self) -> dict[str, Any]:
        return dict(json.loads(self.cluster.ctl(1, "status", "--formatter", "json", "--silent")))

    def _alarms(self) -> list[Any]:
        return list(self._status()["alarms"])


class BadListener(Patient):
    """A Kafka node tells its clients an address at which nobody is."""

    name = "bad listener"
    symptoms = (
        "Since the node was moved, no program gets its orders, and none can send any. The network people "
        "say that the port is open, and they are right. The programs connect, wait, and give up with a "
        "time-out. The log of the node has no error."
    )
    in_hand: ClassVar = {
        "address": "where all programs look for Kafka first; that must stay",
        "settings": "the node's `server.properties`, as a dictionary; they hold from the next start",
        "restart_node()": "stops the node, and starts it with these settings",
        "log()": "the end of the node's log",
        "topic": "where the orders are",
    }
    hints = (
        "A client connects twice: first where you send it, and then where it is told to go.",
        "Which address does the node give to its clients? (Lab on listeners.)",
        "`advertised.listeners` must name an address at which the clients find the node: "
        '`f"PLAINTEXT://{patient.address}"`, for example. `listeners` is where it listens itself.',
    )

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.node = nodes.Kafka({}, {})
        self.address = f"{HOST}:{self.node.port(nodes.DOOR)}"
        self.settings = self.node.settings
        self.topic = fresh("orders")

    @property
    def brokers(self) -> Brokers:
        patient = {**self.node.options(), "bootstrap_timeout_ms": 3000}
        return Brokers("native", kafka=patient, rabbitmq=None, management=None)

    def restart_node(self) -> None:
        """Stop the node, start it with its settings as they are now, and wait until it serves.

        Raises:
            BrokerError: it does not; with the end of its log."""
        self.node.stop()
        self.node.start()

    def log(self, lines: int = 20) -> str:
        """The end of the node's log."""
        return self.node.log_tail(lines)

    def break_it(self) -> None:
        clients.make_topic(self.brokers, self.topic)
        self._orders = list(range(1, self.data.randint(20, 30)))
        clients.send(self.brokers, self.topic, self._orders)
        elsewhere = [f"{HOST}:1", "kafka-1.invalid:9092", f"{HOST}:{self._port_of_nobody()}"]
        self.settings["advertised.listeners"] = f"PLAINTEXT://{self.data.choice(elsewhere)}"
        self.restart_node()

    def expect_cured(self) -> str:
        for listener in str(self.settings["listeners"]).split(","):
            if listener.partition("://")[2].rpartition(":")[0] not in (HOST, "localhost"):
                raise Wrong(
                    "exposed",
                    f"the node listens at {listener}: every machine around can come in.",
                    "Where it listens wasn't the trouble. What does it tell its clients?",
                )
        if not self._answers():
            raise Wrong(
                "not_there",
                f"at {self.address} nobody answers.",
                "All programs look for Kafka there first. Does the node run, and listen there?",
            )
        try:
            read = self._read()
            new = len(self._orders) + 1
            self._send(new)
        except (KafkaError, TimeoutError):
            raise Wrong(
                "unreachable",
                f"a client that begins at {self.address} neither gets nor sends an order.",
                "Who answers at the address that the node gives to its clients?",
            ) from None
        if lost := set(self._orders) - set(read):
            raise Wrong("lost", f"orders are gone: {some(lost)}.", "Start the node with its data.")
        self._orders.append(new)
        return "clients find the node, it listens where it did, and no order is lost."

    def clean_up(self) -> None:
        self.node.close()

    def _answers(self) -> bool:
        return eventually(lambda: kafka.answers(self.node.port(nodes.DOOR)), PATIENCE / 4)

    def _read(self) -> list[int]:
        options = {**self.brokers.kafka, "consumer_timeout_ms": 5000}  # type: ignore[dict-item]
        with KafkaConsumer(self.topic, auto_offset_reset="earliest", **options) as consumer:
            found = []
            for record in consumer:
                found.append(int(record.value))
                if found[-1] == self._orders[-1]:
                    break
        if not found:
            raise TimeoutError("nothing was read")
        return found

    def _send(self, order: int) -> None:
        patience = {"max_block_ms": 5000, "delivery_timeout_ms": 5000, "request_timeout_ms": 3000}
        with KafkaProducer(**{**self.brokers.kafka, **patience}) as producer:  # type: ignore[dict-item]
            producer.send(self.topic, str(order).encode()).get(timeout=10)

    def _port_of_nobody(self) -> int:
        return ports.free(1)[0]


PATIENTS = (UnderReplicated, LostQuorum, DiskAlarm, BadListener)
