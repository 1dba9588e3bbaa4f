"""Where things are: ports, versions and directories, each overridable by one environment variable.

Variable                      Meaning                                             Default
----------------------------  --------------------------------------------------  -------------------------
BREAKING_BROKERS_CACHE        downloads and the brokers' data                     the user's cache directory
BREAKING_BROKERS_BACKEND      force ``compose``, ``native`` or ``external``       chosen by ``brokers``
BREAKING_BROKERS_RABBITMQ     series of the native RabbitMQ: ``4.3``, ``4.0``...  the newest to be had
BREAKING_BROKERS_PORT_OFFSET  added to every port, 0 to 7000                      0
BREAKING_BROKERS_LEARNER      prefix of all names, for a class on one cluster     none
BREAKING_BROKERS_OWNER        pid of the run that brokers must not outlive        none
KAFKA_BOOTSTRAP_SERVERS       a Kafka that someone else runs                      none
AMQP_URL                      a RabbitMQ that someone else runs                   none
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

KAFKA_VERSION = "4.3.1"
HOST = "127.0.0.1"
CHECKOUT = Path(__file__).resolve().parent.parent

RABBITMQ_SERIES = ("4.3", "4.0", "3.10")
BACKENDS = ("compose", "native", "external")
HIGHEST_OFFSET = 7000  # the highest port, 25693, stays below the ephemeral range at 32768


class SettingsError(ValueError):
    """An environment variable of the course holds something it can't."""


@dataclass(frozen=True)
class Ports:
    """Every port of one run of the course. Those of the guide, unless an offset moves them all."""

    kafka: int
    kafka_controller: int
    amqp: int
    management: int
    rabbitmq_distribution: int
    epmd: int
    kafka_cluster: tuple[int, ...]
    kafka_cluster_controller: int
    amqp_cluster: tuple[int, ...]
    management_cluster: int
    rabbitmq_cluster_distribution: tuple[int, ...]


def ports(offset: int | None = None) -> Ports:
    """The ports of the run with this offset (the environment's, if none is given)."""
    shift = port_offset() if offset is None else offset
    return Ports(
        kafka=9092 + shift,
        kafka_controller=9093 + shift,
        amqp=5672 + shift,
        management=15672 + shift,
        rabbitmq_distribution=25672 + shift,
        epmd=25690 + shift,
        kafka_cluster=tuple(19092 + shift + i for i in range(3)),
        kafka_cluster_controller=19095 + shift,
        amqp_cluster=tuple(5673 + shift + i for i in range(3)),
        management_cluster=15673 + shift,
        rabbitmq_cluster_distribution=tuple(25673 + shift + i for i in range(3)),
    )


def port_offset() -> int:
    """``BREAKING_BROKERS_PORT_OFFSET``, 0 if unset.

    Raises:
        SettingsError: not a whole number from 0 to 7000.
    """
    text = os.environ.get("BREAKING_BROKERS_PORT_OFFSET", "").strip() or "0"
    if not text.isdecimal() or int(text) > HIGHEST_OFFSET:
        raise SettingsError(
            f"BREAKING_BROKERS_PORT_OFFSET is {text!r}, but must be a whole number from 0 to "
            f"{HIGHEST_OFFSET}. Set it to 100, say, or unset it for the standard ports."
        )
    return int(text)


def forced_backend() -> str | None:
    """``BREAKING_BROKERS_BACKEND``, or None where the choice is left to the course.

    Raises:
        SettingsError: no backend has that name.
    """
    name = os.environ.get("BREAKING_BROKERS_BACKEND", "").strip().lower()
    if name and name not in BACKENDS:
        raise SettingsError(
            f"BREAKING_BROKERS_BACKEND is {name!r}, but must be one of {', '.join(BACKENDS)}, or unset."
        )
    return name or None


def rabbitmq_series() -> str:
    """``BREAKING_BROKERS_RABBITMQ``; empty where the course chooses.

    Raises:
        SettingsError: the course does not know that series.
    """
    name = os.environ.get("BREAKING_BROKERS_RABBITMQ", "").strip()
    if name and name not in RABBITMQ_SERIES:
        raise SettingsError(
            f"BREAKING_BROKERS_RABBITMQ is {name!r}, but must be one of "
            f"{', '.join(RABBITMQ_SERIES)}, or unset for the newest that can be had."
        )
    return name


def learner() -> str:
    """``BREAKING_BROKERS_LEARNER``: goes in front of every name, so a class can share a cluster."""
    return os.environ.get("BREAKING_BROKERS_LEARNER", "").strip()


def cache_dir() -> Path:
    """The one directory outside the checkout that the course writes to."""
    chosen = os.environ.get("BREAKING_BROKERS_CACHE", "").strip()
    return (
        Path(chosen).expanduser().resolve()
        if chosen
        else Path(platformdirs.user_cache_dir("breaking-brokers", appauthor=False))
    )


def run_dir() -> Path:
    """State, logs and data of the brokers at this port offset. Created if missing."""
    path = cache_dir() / "run" / str(port_offset())
    path.mkdir(parents=True, exist_ok=True)
    return path
