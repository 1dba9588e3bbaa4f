"""The course's helpers: plumbing only. What a chapter teaches is written out in its cells."""

from . import shadows

shadows.refuse()

from .brokers import kafka_cluster, rabbitmq_cluster, up
from .claims import verdict
from .exercises import check
from .ledger import Ledger, inversions
from .names import clean_up, fresh
from .waiting import wait_until

__all__ = [
    "Ledger",
    "check",
    "clean_up",
    "fresh",
    "inversions",
    "kafka_cluster",
    "rabbitmq_cluster",
    "up",
    "verdict",
    "wait_until",
]
