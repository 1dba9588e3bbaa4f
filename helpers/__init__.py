"""The course's helpers: plumbing only. What a chapter teaches is written out in its cells.

Both client libraries come with ``helpers.clients``, which is loaded when somebody imports it: a program
that needs one of them, or neither, starts twice as fast without.
"""

from . import shadows

shadows.refuse()

from . import charts
from .brokers import kafka_cluster, rabbitmq_cluster, up
from .claims import predict, verdict
from .exercises import check
from .ledger import Ledger
from .names import clean_up, fresh
from .programs import Program, show
from .waiting import wait_until

__all__ = [
    "Ledger",
    "Program",
    "charts",
    "check",
    "clean_up",
    "clients",
    "fresh",
    "kafka_cluster",
    "predict",
    "rabbitmq_cluster",
    "show",
    "up",
    "verdict",
    "wait_until",
]
