"""Which brokers there are, and their ports: the single ones, and the nodes of a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .. import settings

SPOKEN = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


@dataclass(frozen=True)
class Place:
    """One node of the course, and its ports on 127.0.0.1."""

    broker: str
    """``kafka`` or ``rabbitmq``."""
    number: int
    """1, 2 or 3 in a cluster; 0 for the one that stands alone."""
    port: int
    """For clients."""
    inner: int
    """Of the nodes among themselves: Kafka's controller, which is in node 1; Erlang's distribution."""
    management: int | None = None

    @property
    def name(self) -> str:
        """``kafka``, ``kafka-2``, ``rabbitmq``, …: directory, compose service and status."""
        return f"{self.broker}-{self.number}" if self.number else self.broker

    @property
    def address(self) -> str:
        """Host and port, for clients."""
        return f"{settings.HOST}:{self.port}"

    @property
    def listens(self) -> list[int]:
        """The ports that this very node opens."""
        elsewhere = self.broker == "kafka" and self.number > 1
        return [p for p in (self.port, self.management, None if elsewhere else self.inner) if p]


PLACES = (
    Place("kafka", 0, 9092, 9093),
    Place("rabbitmq", 0, 5672, 25672, 15672),
    *(Place("kafka", n, 19091 + n, 19095) for n in (1, 2, 3)),
    *(Place("rabbitmq", n, 5672 + n, 25672 + n) for n in (1, 2, 3)),
)
EPMD = 25690
KEEPER = 25691


def every_place(offset: int | None = None) -> dict[str, Place]:
    """Every node by its name, with its ports at this offset (the present one, if none is given)."""
    shift = settings.port_offset() if offset is None else offset
    return {
        place.name: replace(
            place,
            port=place.port + shift,
            inner=place.inner + shift,
            management=place.management and place.management + shift,
        )
        for place in PLACES
    }


def epmd_port(offset: int | None = None) -> int:
    """The port of Erlang's port mapper, one for all nodes."""
    return EPMD + (settings.port_offset() if offset is None else offset)


def keeper_port(offset: int) -> int:
    """The port that is held by a copy of the course whose brokers start at this offset."""
    return KEEPER + offset


def single(broker: str) -> Place:
    """The one Kafka, or the one RabbitMQ, that ``up`` starts."""
    return every_place()[broker]


def members(broker: str, count: int = 3) -> list[Place]:
    """The nodes of a cluster, in order of their numbers."""
    return [every_place()[f"{broker}-{number}"] for number in range(1, count + 1)]


def spoken(names: Iterable[str]) -> str:
    """Names as in a sentence: ``Kafka and RabbitMQ``."""
    return " and ".join(SPOKEN.get(name, name) for name in names)
