"""The brokers of the course: which there are, and on which ports each of them listens."""

from __future__ import annotations

from dataclasses import dataclass

from .. import settings

SPOKEN = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


@dataclass(frozen=True)
class Place:
    """One broker: the single one of its kind, or number 1, 2 or 3 of a cluster."""

    broker: str
    """``kafka`` or ``rabbitmq``."""
    number: int
    """0 for the single one."""
    port: int
    """Where its clients connect."""
    inner: int | None
    """Where brokers talk to each other: Kafka's controller, Erlang's distribution."""
    management: int | None = None
    """RabbitMQ's HTTP API."""

    @property
    def name(self) -> str:
        """``kafka``, ``rabbitmq-2``: its node, its directory, its service in the compose file."""
        return f"{self.broker}-{self.number}" if self.number else self.broker

    @property
    def ports(self) -> list[int]:
        """Every port that it needs."""
        return [port for port in (self.port, self.inner, self.management) if port is not None]

    @property
    def address(self) -> str:
        """Host and port of its clients."""
        return f"{settings.HOST}:{self.port}"


def single(broker: str) -> Place:
    """The one Kafka, or the one RabbitMQ, that ``up`` starts."""
    ports = settings.ports()
    if broker == "kafka":
        return Place("kafka", 0, ports.kafka, ports.kafka_controller)
    return Place("rabbitmq", 0, ports.amqp, ports.rabbitmq_distribution, ports.management)


def members(broker: str, count: int = 3) -> list[Place]:
    """The nodes of a cluster. Of Kafka's, node 1 alone is a controller too."""
    ports = settings.ports()
    clients = ports.kafka_cluster if broker == "kafka" else ports.amqp_cluster
    inner = (
        (ports.kafka_cluster_controller, None, None)
        if broker == "kafka"
        else ports.rabbitmq_cluster_distribution
    )
    return [Place(broker, n + 1, clients[n], inner[n]) for n in range(count)]


def everything() -> list[Place]:
    """All brokers that a run can have."""
    return [
        *map(single, SPOKEN),
        *(place for broker in SPOKEN for place in members(broker)),
    ]


def spoken(names: list[str]) -> str:
    """Names as in a sentence: ``Kafka and RabbitMQ``."""
    return " and ".join(SPOKEN.get(name, name) for name in names)
