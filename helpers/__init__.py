"""The course's helpers: plumbing only. What a chapter teaches is written out in its cells."""

from . import shadows

shadows.refuse()

from .brokers import down, kafka_cluster, rabbitmq_cluster, status, up
from .claims import verdict
from .exercises import check
from .ledger import Ledger, inversions
from .names import clean_up, fresh
from .waiting import wait_until

__all__ = [
    "Ledger",
    "check",
    "clean_up",
    "down",
    "fresh",
    "inversions",
    "kafka_cluster",
    "rabbitmq_cluster",
    "status",
    "up",
    "verdict",
    "wait_until",
]
