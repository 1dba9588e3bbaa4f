"""The client libraries: quiet where brokers are killed for a living, and mended in one place."""

from __future__ import annotations

import functools
import logging


def quieten() -> None:
    """Both clients log every reconnect; where brokers are killed that is noise."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("pika").setLevel(logging.CRITICAL)


@functools.cache
def mend_kafka() -> None:
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
