"""The client libraries: their options for our brokers, their noise, and two faults that are mended here."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from .. import settings
from . import external

if TYPE_CHECKING:
    import pika

RECONNECT_BACKOFF_MAX_MS = 200


def kafka_options(port: int) -> dict[str, Any]:
    """Options of a kafka-python client for a broker of ours.

    Left alone, the client waits longer after each refused connection, up to 30 s; beside a dead
    broker that put 1 s on top of a failover of 2 s, here.
    """
    return {
        "reconnect_backoff_max_ms": RECONNECT_BACKOFF_MAX_MS,
        "bootstrap_servers": f"{settings.HOST}:{port}",
        "bootstrap_timeout_ms": external.TIMEOUT_MS,
    }


def rabbitmq_parameters(port: int) -> pika.URLParameters:
    """How pika connects to a broker of ours.

    Without heartbeats: pika sends them only when called, and the broker would close a notebook's
    connection whenever its reader thinks for three minutes."""
    import pika

    return pika.URLParameters(f"amqp://guest:guest@{settings.HOST}:{port}/%2F?heartbeat=0")


def quieten() -> None:
    """Both clients log every reconnect; where brokers are killed that is noise."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("pika").setLevel(logging.CRITICAL)


@functools.cache
def mend_kafka() -> None:
    """Mend two faults of kafka-python 3.0.12 in this process."""
    _mend_producers()
    _mend_members()


def _mend_members() -> None:
    """Have a member of a group that has begun to join anew go on until it has joined.

    A consumer does so when it hears other metadata than those by which it dealt out the shares; on a busy
    machine also right after its first join, since its first metadata come late. If its ``poll`` is over
    before that join is, kafka-python 3.0.12 forgets it: nobody reads the answer, and the member sends no
    heartbeats and commits nothing any more (``coordinator/base.py``, ``ensure_active_group_async``)."""
    from kafka.coordinator.consumer import ConsumerCoordinator

    has_reason = ConsumerCoordinator.need_rejoin

    def need_rejoin(self: ConsumerCoordinator) -> bool:
        needed = has_reason(self)
        if needed:
            self.request_rejoin()  # which holds until it has joined
        return needed

    ConsumerCoordinator.need_rejoin = need_rejoin


def _mend_producers() -> None:
    """Have kafka-python ask for newer metadata if a partition's leader is not among the brokers.

    The two lists may be of different moments of a failover. A producer of kafka-python 3.0.12 then
    meets an UnknownBrokerIdError before each look at the network or at its delivery time-out, tries
    again at once, and goes on so for ever (``producer/sender.py``, ``_send_producer_data``)."""
    from kafka.errors import UnknownBrokerIdError
    from kafka.net.compat import KafkaNetClient

    connect = KafkaNetClient.maybe_connect

    def maybe_connect(self: KafkaNetClient, node_id: int, **options: bool) -> None:
        try:
            connect(self, node_id, **options)
        except UnknownBrokerIdError:
            self.cluster.request_update()

    KafkaNetClient.maybe_connect = maybe_connect
