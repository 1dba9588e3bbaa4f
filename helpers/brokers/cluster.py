"""Three nodes that can be killed: the same verbs for Kafka and RabbitMQ, whatever runs them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..waiting import wait_until
from . import clients, lifecycle
from .backend import Backend, Node
from .errors import BrokerError
from .places import Place

if TYPE_CHECKING:
    import pika


class Cluster:
    """Numbered nodes. A verb takes a node's number, and returns when the deed is done."""

    def __init__(
        self, backend: Backend, places: Sequence[Place], let_go: Callable[[], None]
    ) -> None:
        """``let_go`` is called when the nodes have been ended: the next lesson can have the cluster."""
        self.nodes = {place.number: backend.node(place) for place in places}
        self.backend = backend.name
        self._backend = backend
        self._places = {place.number: place for place in places}
        self._broker = places[0].broker
        self._let_go = let_go

    def kill(self, number: int) -> None:
        """SIGKILL a node (``docker kill`` under compose): it gets no chance to say goodbye."""
        self._node(number).kill()

    def stop(self, number: int) -> None:
        """Stop a node cleanly."""
        self._node(number).stop()

    def pause(self, number: int) -> None:
        """Freeze a node (SIGSTOP). It still accepts connections and answers nothing: until
        ``resume``, make no request that could reach it."""
        self._node(number).pause()

    def resume(self, number: int) -> None:
        """Let a paused node go on."""
        self._node(number).resume()

    def restart(self, number: int) -> None:
        """Start a node that is down (stopping it first if it runs), and wait until it has rejoined."""
        node = self._node(number)
        node.stop()
        node.start()
        self._wait(self._place(number))

    def heal(self) -> None:
        """Resume what is paused, start what is down, wait until all nodes serve."""
        for node in self.nodes.values():
            node.resume()
            node.start()
        self._wait(*self._places.values())

    def down(self) -> None:
        """End all nodes and delete what they stored; the next lesson can have the cluster."""
        lifecycle.end_cluster(self._backend, self._broker)
        self._let_go()

    def running(self) -> list[int]:
        """The numbers of the nodes that are up and not paused."""
        return [n for n, node in self.nodes.items() if node.running() and not node.paused()]

    def data_dir(self, number: int) -> Path:
        """Where a node keeps its data; under compose, a copy of it as it is now."""
        return self._node(number).data

    def tool(self, number: int, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the broker's tools at a node: a check says no by its ``returncode``. Kafka's are
        called as their scripts are, without the ``kafka-`` in front.

        Raises:
            BrokerError: the broker is not installed; with what to do.
            subprocess.TimeoutExpired: no answer within 60 s.

        Example:
            >>> cluster.tool(1, "rabbitmq-diagnostics", "ping").returncode  # doctest: +SKIP
            0"""
        command, environment = self._backend.tool(self._place(number), tool, arguments)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def _wait(self, *started: Place) -> None:
        lifecycle.wait_for_cluster(self._backend, self._broker, started)

    def _node(self, number: int) -> Node:
        return self.nodes[self._place(number).number]

    def _place(self, number: int) -> Place:
        if number not in self._places:
            known = ", ".join(map(str, self._places))
            raise BrokerError(f"There is no node {number}: this cluster has nodes {known}.")
        return self._places[number]


class KafkaCluster(Cluster):
    """Three Kafka nodes: 1 is controller and broker, 2 and 3 are brokers only.

    Break 2 and 3 as you like; node 1 keeps the metadata, and is the one to ask what happened."""

    @property
    def kafka(self) -> dict[str, Any]:
        """Options for a client: ``KafkaProducer(**cluster.kafka)``. Bootstraps at node 1."""
        return clients.kafka_options(self._place(1).port)

    def leader_of(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition, -1 if none does.

        Raises:
            BrokerError: no such partition.
            WaitTimeout: no node has heard of the topic within 10 s."""
        return int(self._partition(topic, partition)["leader_id"])

    def in_sync(self, topic: str, partition: int = 0) -> list[int]:
        """The nodes in sync with the partition's leader (the ISR), sorted. Raises as `leader_of`."""
        return sorted(map(int, self._partition(topic, partition)["isr_nodes"]))

    def _partition(self, topic: str, partition: int) -> dict[str, Any]:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaConnectionError

        def described() -> list[dict[str, Any]]:
            with KafkaAdminClient(**self.kafka) as admin:
                return [row for one in admin.describe_topics([topic]) for row in one["partitions"]]

        # the node that the client asks may have died a moment ago,
        # or may not have heard yet of a topic made a moment ago
        what = f"a node to know the topic {topic!r}"
        for row in wait_until(described, what, tolerate=(KafkaConnectionError,)):
            if row["partition_index"] == partition:
                return row
        raise BrokerError(f"Topic {topic!r} has no partition {partition}.")


class RabbitMQCluster(Cluster):
    """One or three RabbitMQ nodes, without the management plugin: they start and stop faster."""

    def rabbitmq(self, number: int) -> pika.URLParameters:
        """How to connect to one node: ``pika.BlockingConnection(cluster.rabbitmq(1))``."""
        return clients.rabbitmq_parameters(self._place(number).port)

    def ctl(self, number: int, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on a node and return what it prints.

        Raises:
            BrokerError: it failed, with its own words.

        Example:
            >>> cluster.ctl(1, "set_disk_free_limit", "50MB")  # doctest: +SKIP"""
        return self._backend.ctl(self._place(number), *arguments)

    def metrics(self, number: int) -> str:
        """Have a node serve its numbers to Prometheus, until its next start; returns the address.

        Raises:
            BrokerError: it can't, as under compose; with what to do.

        Example:
            >>> cluster.metrics(1) + "/metrics"  # doctest: +SKIP"""
        return self._backend.metrics(self._place(number))

    def leader_of(self, queue: str) -> int:
        """The node that leads a queue (a classic queue's home node); -1 if no such queue is known."""
        asked = next(iter(self.running()), None)
        if asked is None:
            raise BrokerError("No node of the RabbitMQ cluster runs. `cluster.heal()` starts them.")
        listing = self.ctl(asked, "list_queues", "name", "leader", "pid", "--silent")
        for line in listing.splitlines():
            name, leader, pid = line.split("\t")
            home = re.search(r"(\d)@", leader or pid)  # a classic queue has a pid only
            if name == queue and home:
                return int(home[1])
        return -1
