"""Which brokers there are: the single ones, and the nodes of a cluster."""

from collections.abc import Iterable

from .. import settings
from ..settings import Place

SPOKEN = {"kafka": "Kafka", "rabbitmq": "RabbitMQ"}


def single(broker: str) -> Place:
    """The one Kafka, or the one RabbitMQ, that ``up`` starts."""
    return settings.places()[broker]


def members(broker: str, count: int = 3) -> list[Place]:
    """The nodes of a cluster, in order of their numbers."""
    return [settings.places()[f"{broker}-{number}"] for number in range(1, count + 1)]


def spoken(names: Iterable[str]) -> str:
    """Names as in a sentence: ``Kafka and RabbitMQ``."""
    return " and ".join(SPOKEN.get(name, name) for name in names)
