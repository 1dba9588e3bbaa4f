"""The auditor: reads a live Kafka and RabbitMQ, changes nothing, and says what the course has shown to fail.

``python -m helpers audit`` audits the brokers that run, or those of ``KAFKA_BOOTSTRAP_SERVERS`` and
``AMQP_URL``. In a notebook: ``pandas.DataFrame(audit(brokers))``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import pika

from ..brokers import BrokerError, Brokers, KafkaCluster, RabbitMQCluster
from . import kafka, rabbitmq, sources
from .finding import SEVERITIES, Finding, unchecked
from .network import loopback

__all__ = ["Finding", "audit", "exit_status", "report"]

SOUND, FOUND, UNKNOWN = 0, 3, 4  # exit statuses; 1 is a broker that can't be had, 2 a wrong command
WIDTH = 100
NETWORK = ("plain-listener", "no-authorizer", "open-amqp", "default-user")


def audit(*brokers: Brokers | KafkaCluster | RabbitMQCluster) -> list[Finding]:
    """Check live brokers against what the course has shown to fail. Only reads.

    Args:
        brokers: what ``up()``, ``kafka_cluster()`` or ``rabbitmq_cluster()`` returned.

    Returns:
        What was found, the gravest first; what could not be checked comes last.

    Raises:
        BrokerError: a broker does not answer at all.
    """
    found = [one for each in brokers for one in _findings(each) if not _inside(each, one)]
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity))


def _inside(brokers: Brokers | KafkaCluster | RabbitMQCluster, one: Finding) -> bool:
    """Is it about the interfaces of a container of the course, published on the loopback only?"""
    return brokers.backend == "compose" and one.rule in NETWORK


def _findings(brokers: Brokers | KafkaCluster | RabbitMQCluster) -> Iterator[Finding]:
    if isinstance(brokers, RabbitMQCluster):
        asked = next(iter(brokers.running()), None)
        if asked is None:
            raise BrokerError("No node of the RabbitMQ cluster runs. `cluster.heal()` starts them.")
        yield from rabbitmq.audit(sources.ctl(lambda *words: brokers.ctl(asked, *words)))
        return
    if brokers.kafka is not None:
        yield from kafka.audit(brokers.kafka)
    if isinstance(brokers, Brokers) and brokers.rabbitmq is not None:
        yield from _rabbitmq(brokers.rabbitmq, brokers.management)


def _rabbitmq(parameters: pika.URLParameters, management: str | None) -> Iterator[Finding]:
    """By AMQP alone there is little to see: that it answers, and who listens in."""
    try:
        pika.BlockingConnection(parameters).close()
    except pika.exceptions.AMQPError as error:
        raise BrokerError(
            f"RabbitMQ at {parameters.host}:{parameters.port} can't be audited, since it does not let "
            f"us in: {type(error).__name__} {error}. Is it up (`python -m helpers status`), and are "
            "host, port, user, password and vhost right?"
        ) from error
    if management is not None:
        yield from rabbitmq.audit(sources.management(management, parameters))
        return
    if parameters.ssl_options is None and not loopback(parameters.host):
        address = {"ip_address": parameters.host, "port": parameters.port, "node": parameters.host}
        yield from rabbitmq.audit(sources.State(listeners=[{"protocol": "amqp", **address}]))
    yield unchecked(
        "RabbitMQ",
        "Nodes, queues, users and rights can't be read by AMQP, and no management API is known.",
        "Set RABBITMQ_MANAGEMENT_URL, as http://host:15672 (plugin rabbitmq_management).",
    )


def report(found: Sequence[Finding]) -> str:
    """The findings as text, for a terminal."""
    if not found:
        return "Nothing found."
    blocks = []
    for one in found:
        shown = f" Shown by claim {one.claim}" + (f", {one.notebook}." if one.notebook else ".")
        body = f"{one.why}{shown if one.claim else ''} → {one.remedy}"
        wrapped = textwrap.fill(body, WIDTH, initial_indent="  ", subsequent_indent="  ")
        blocks.append(f"{one.severity}: {one.name} ({one.rule})\n{wrapped}")
    counts = {level: sum(one.severity == level for one in found) for level in SEVERITIES}
    total = ", ".join(f"{number} {level}" for level, number in counts.items() if number)
    return "\n".join([*blocks, "", total])


def exit_status(found: Sequence[Finding]) -> int:
    """For a pipeline: 0 sound (notices allowed), 3 critical or warning, 4 not all could be checked."""
    severities = {one.severity for one in found}
    if severities & {"critical", "warning"}:
        return FOUND
    return UNKNOWN if "unchecked" in severities else SOUND
