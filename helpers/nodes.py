"""A Kafka or a RabbitMQ node of a lab's own, with the settings that the lab gives it.

It listens on this machine only, at free ports, and ends as other programs do (``pipeline``). The
brokers that ``up()`` starts know nothing of it.
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pika

from .brokers import clients, jars, kafka, native, process, rabbitmq
from .brokers.places import Place
from .brokers.ports import free as free_ports
from .pipeline import Program, started
from .settings import HOST

__all__ = ["HOST", "Kafka", "RabbitMQ", "remote_tier"]

DOOR = "PLAINTEXT"  # Kafka's own listener, also the administrator's
TLS = "listeners.ssl.1"
STORE = "org.apache.kafka.server.log.remote.storage.LocalTieredStorage"


def remote_tier(folder: Path) -> dict[str, object]:
    """Settings of a Kafka node that moves old segments to a folder, which stands for an object store.

    Kafka comes without a plugin for one; this is its tests' own, LocalTieredStorage. The node looks
    twice a second (Kafka: every 30 s) for what is to be moved or deleted.

    Args:
        folder: the store; where there is none, none can be reached.

    Raises:
        BrokerError: the plugin can't be fetched.
    """
    native.fetch_pipeline()
    plugin = next(j for j in jars.locked(jars.PIPELINE_LOCK) if j.artifact == "kafka-storage")
    return {
        "remote.log.storage.system.enable": "true",
        "remote.log.storage.manager.class.name": STORE,
        "remote.log.storage.manager.class.path": plugin.path(),
        "rsm.config.dir": folder,
        "remote.log.metadata.manager.listener.name": DOOR,
        "rlmm.config.remote.log.metadata.topic.replication.factor": 1,
        "rlmm.config.remote.log.metadata.topic.num.partitions": 1,
        "remote.log.manager.task.interval.ms": 500,
    }


class Kafka(Program):
    """One Kafka node, with a listener for each name that it is given.

    What is changed in its ``settings`` holds from its next start.
    """

    def __init__(self, listeners: Mapping[str, str], settings: Mapping[str, object]) -> None:
        """Start it; it serves when this returns.

        Args:
            listeners: what each is called, in capitals, and its protocol: ``{"LOGIN": "SASL_SSL"}``.
            settings: those of ``server.properties``.

        Raises:
            BrokerError: it can't be had or did not start; with the end of its log.
        """
        clients.quieten()  # a broker that is killed makes every client speak
        clients.mend_kafka()
        native.obtain(["kafka"])
        port, inner, *others = free_ports(2 + len(listeners))
        self._ports = {DOOR: port, **dict(zip(listeners, others, strict=True))}
        addresses = [f"{name}://{HOST}:{number}" for name, number in self._ports.items()]
        protocols = {DOOR: DOOR, "CONTROLLER": DOOR, **listeners}
        self.settings: dict[str, object] = {
            "listeners": ",".join([*addresses, f"CONTROLLER://{HOST}:{inner}"]),
            "advertised.listeners": ",".join(addresses),
            "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
            "inter.broker.listener.name": DOOR,
            **settings,
        }
        self._place = Place("kafka", 0, port, inner)

        def serve(token: str) -> process.CommandLine:
            return kafka.serve(self._place, self.directory, token, own=self.settings)

        ready = lambda: kafka.brokers_known(port) == 1  # noqa: E731
        super().__init__("kafka", serve, "java", signal.SIGKILL, ready)
        started(self)

    def port(self, listener: str) -> int:
        """Where that listener is."""
        return self._ports[listener]

    def options(self, listener: str = DOOR) -> dict[str, Any]:
        """Options of a client that comes to this listener; without one, to the administrator's."""
        return clients.kafka_options(self._ports[listener])

    def tool(self, tool: str, *arguments: str) -> str:
        """Run one of Kafka's tools as the administrator, called as its script is, without the
        ``kafka-`` in front; returns what it prints.

        Raises:
            BrokerError: it can't be fetched, or it failed; with its own words."""
        command, environment = native.tool(self._place, tool, arguments)
        return process.output(f"kafka-{tool}", command, environment)


class RabbitMQ(Program):
    """One RabbitMQ node, with a listener for TLS beside the one without.

    ``ports`` says where it listens for other protocols than AMQP: ``{"mqtt": 1883}``.
    """

    def __init__(self, settings: Mapping[str, object], *protocols: str) -> None:
        """Start it; it serves when this returns.

        Args:
            settings: those of ``rabbitmq.conf``.
            protocols: what it speaks besides AMQP: ``"mqtt"``, ``"stomp"``.

        Raises:
            BrokerError: it can't be had or did not start; with the end of its log.
        """
        clients.quieten()
        native.obtain(["rabbitmq"])
        rabbitmq.epmd().start()
        self.port, self.tls_port, inner, *others = free_ports(3 + len(protocols))
        self.ports = dict(zip(protocols, others, strict=True))
        self._place = Place("rabbitmq", self.port, self.port, inner)  # no other node is called so
        doors = {f"{name}.listeners.tcp.1": f"{HOST}:{port}" for name, port in self.ports.items()}
        self._own = {TLS: f"{HOST}:{self.tls_port}", **doors, **settings}
        ready = lambda: rabbitmq.answers(self.port)  # noqa: E731
        super().__init__("rabbitmq", self._serve, "beam.smp", signal.SIGKILL, ready)
        self._folder = self.directory / "node"
        started(self)

    @property
    def rabbitmq(self) -> pika.URLParameters:
        """How its default user connects, without TLS."""
        return clients.rabbitmq_parameters(self.port)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` and return what it prints.

        Raises:
            BrokerError: it failed, with its own words."""
        return rabbitmq.ctl(rabbitmq.environment(self._place, self._folder), *arguments)

    def _serve(self, token: str) -> process.CommandLine:
        plugins = [f"rabbitmq_{name}" for name in self.ports]
        return rabbitmq.serve(self._place, self._folder, token, self._own, plugins)
