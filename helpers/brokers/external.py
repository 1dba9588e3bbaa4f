"""Brokers that somebody else runs: nothing is started, nothing is stopped, nothing global is touched.

``KAFKA_BOOTSTRAP_SERVERS`` is ``host:port[,host:port]``. Security is added by the variables that
``SECURITY`` lists. ``AMQP_URL`` is ``amqp://`` or ``amqps://``; pika reads its TLS options from there.
``RABBITMQ_MANAGEMENT_URL`` is ``http://host:15672`` or ``https://…``, for who has use for it.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, Any

from .. import settings
from .errors import BrokerError

if TYPE_CHECKING:
    import pika

# broker → the environment variable that names one
VARIABLES = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "rabbitmq": "AMQP_URL"}
TIMEOUT_MS = 5000  # kafka-python's own default, 30 s of silence, is too long for a learner

# environment variable → the option of kafka-python
SECURITY = {
    "KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "KAFKA_SASL_USERNAME": "sasl_plain_username",
    "KAFKA_SASL_PASSWORD": "sasl_plain_password",
    "KAFKA_SSL_CAFILE": "ssl_cafile",
    "KAFKA_SSL_CERTFILE": "ssl_certfile",
    "KAFKA_SSL_KEYFILE": "ssl_keyfile",
}


def chosen() -> bool:
    """Are the brokers somebody else's? They are if that backend is forced, or if none is and the
    environment names a broker."""
    if forced := settings.forced_backend():
        return forced == "external"
    return any(map(settings.variable, VARIABLES.values()))


def options() -> dict[str, Any]:
    """How to connect to each broker, by its name; None for one that is not named.

    Raises:
        BrokerError: a variable can't be read.
    """
    return {"kafka": kafka_options(), "rabbitmq": rabbitmq_parameters()}


def kafka_options() -> dict[str, Any] | None:
    """Options of a kafka-python client, or None where no Kafka is named.

    Raises:
        BrokerError: the address is no ``host:port`` list, or the authority's file can't be read.
    """
    servers = settings.variable("KAFKA_BOOTSTRAP_SERVERS")
    if not servers:
        return None
    for server in servers.split(","):
        if not re.fullmatch(r"\s*(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}\s*", server):
            raise BrokerError(
                f"KAFKA_BOOTSTRAP_SERVERS names {server.strip()!r}, but Kafka takes host:port, "
                "without a scheme such as http://. Correct the variable and run this again."
            )
    _authority("KAFKA_SSL_CAFILE")  # a client would only say that it reached nobody
    security = {option: os.environ[v] for v, option in SECURITY.items() if os.environ.get(v)}
    return {
        # a text, as of our own brokers: programs take it as a word
        "bootstrap_servers": servers.replace(" ", ""),
        "bootstrap_timeout_ms": TIMEOUT_MS,
        **security,
    }


def rabbitmq_parameters() -> pika.URLParameters | None:
    """pika's connection parameters, or None where no RabbitMQ is named.

    ``AMQP_CAFILE`` names the certificate authority of an ``amqps://`` address, if it is a private one.

    Raises:
        BrokerError: the address is no AMQP URL, or the authority's file can't be read.
    """
    url = settings.variable("AMQP_URL")
    if not url:
        return None
    import pika

    try:
        if not url.startswith(("amqp://", "amqps://")):
            raise ValueError("no AMQP URL")
        parameters = pika.URLParameters(url)
    except Exception:
        raise BrokerError(  # without the cause, whose text may have a piece of the password in it
            "AMQP_URL can't be read. It looks like amqp://user:password@host:5672/vhost, with %2F "
            "for the vhost '/', and %40 for an @ in the password. Correct it and run this again."
        ) from None
    if parameters.ssl_options and (context := _authority("AMQP_CAFILE")):
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    return parameters


def _authority(variable: str) -> ssl.SSLContext | None:
    """What trusts the certificate authority that a variable names, or None where none is named.

    Raises:
        BrokerError: its file can't be read, or has no certificate in it.
    """
    path = os.environ.get(variable)
    try:
        return ssl.create_default_context(cafile=path) if path else None
    except OSError as error:
        raise BrokerError(
            f"{variable} names {path}, which can't be used: {error.strerror}. It is to be a file of "
            "certificates (PEM). Correct the variable and run this again."
        ) from error


def management() -> str | None:
    """Base address of RabbitMQ's HTTP API, or None where none is named.

    Raises:
        BrokerError: it is no HTTP address.
    """
    url = settings.variable("RABBITMQ_MANAGEMENT_URL").rstrip("/")
    if url and not re.fullmatch(r"https?://[^/@\s]+(/[^@\s]*)?", url):
        raise BrokerError(  # without the text, which may have a password in it
            "RABBITMQ_MANAGEMENT_URL can't be read. It looks like http://host:15672; user and password "
            "are those of AMQP_URL. Correct it and run this again."
        )
    return url or None


def whose() -> dict[str, str]:
    """The brokers that are named, and where they are: for people to read, without a password.

    Raises:
        BrokerError: a variable can't be read.
    """
    found = {}
    if kafka := kafka_options():
        user = kafka.get("sasl_plain_username")
        where = kafka["bootstrap_servers"] + (f", as {user}" if user else "")
        found["kafka"] = f"somebody else's, at {where} (KAFKA_BOOTSTRAP_SERVERS)"
    if rabbitmq := rabbitmq_parameters():
        where = f"{rabbitmq.host}:{rabbitmq.port}, vhost {rabbitmq.virtual_host}"
        user = rabbitmq.credentials.username
        found["rabbitmq"] = f"somebody else's, at {where}, as {user} (AMQP_URL)"
    return found


def probe(kafka: dict[str, Any] | None = None, rabbitmq: pika.URLParameters | None = None) -> None:
    """Reach what is named, once.

    Raises:
        BrokerError: it does not answer; with the address and the client's own reason.
    """
    if kafka:
        from kafka import KafkaAdminClient

        try:
            KafkaAdminClient(**kafka).close()
        except Exception as error:
            raise BrokerError(
                f"Kafka at {kafka['bootstrap_servers']} (KAFKA_BOOTSTRAP_SERVERS) does not "
                f"answer within {TIMEOUT_MS / 1000:.0f} s: {error}. Wrong address, port, password and "
                "certificate all look like this; logging.getLogger('kafka') knows which it is."
            ) from error
    if rabbitmq:
        import pika

        try:
            pika.BlockingConnection(rabbitmq).close()
        except Exception as error:
            raise BrokerError(
                f"RabbitMQ at {rabbitmq.host}:{rabbitmq.port} (AMQP_URL) refuses the connection: "
                f"{type(error).__name__} {error}. Check host, port, user, password and vhost."
            ) from error
