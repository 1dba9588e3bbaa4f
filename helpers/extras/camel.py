"""Apache Camel, which carries messages from broker to broker by rules, as a process of one's own."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..brokers import files, jars, java, kafka, process
from ..pipeline import Program, started

if TYPE_CHECKING:
    from ..brokers import Brokers
    from .artemis import Artemis

__all__ = ["LOCK", "Bus"]

LOCK = Path(__file__).with_name("camel.lock")
MAIN = "org.apache.camel.main.Main"
STARTED = "started in"  # what Camel says when all routes work
JMS = "#class:org.apache.camel.component.jms.JmsComponent"
CONNECT = "#class:org.apache.qpid.jms.JmsConnectionFactory"
AGAIN = {"maximumRedeliveries": -1, "redeliveryDelay": 100, "retryAttemptedLogLevel": "INFO"}
QUIET = "-Dorg.slf4j.simpleLogger.log.org.apache.qpid=warn"


class Bus(Program):
    """A Camel that knows an Artemis, a Kafka and a RabbitMQ, and carries by these routes when this returns.

    A place is called ``artemis:QUEUE``, ``kafka:TOPIC`` or ``rabbitmq:QUEUE``. A step that fails is
    tried again every tenth of a second, for ever.
    """

    def __init__(
        self, routes: Iterable[Mapping[str, Any]], artemis: Artemis, brokers: Brokers
    ) -> None:
        """Start it.

        Args:
            routes: as Camel's YAML has them: ``{"route": {"from": {"uri": ..., "steps": [...]}}}``.

        Raises:
            BrokerError: it did not start; with the end of its log.
        """
        self._read = 0  # bytes of the log that are of earlier lives
        super().__init__("bus", self._serve, "java", signal.SIGKILL, self._carries)
        java.write_class_path(self.directory / "class-path.args", jars.locked(LOCK))
        again = {"errorHandler": {"defaultErrorHandler": {"redeliveryPolicy": AGAIN}}}
        files.write(self.directory / "routes.yaml", json.dumps([again, *routes], indent=1))
        found = {**_places(artemis, brokers), "camel.main.routesIncludePattern": "file:routes.yaml"}
        files.write(self.directory / "bus.properties", kafka.properties(found))
        started(self)

    def _serve(self, token: str) -> process.CommandLine:
        self._read = self.log.stat().st_size if self.log.exists() else 0
        command = java.command(self.directory / "class-path.args", token, QUIET)
        return [*command, MAIN, "-pl", "file:bus.properties"], {}

    def _carries(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._read)
            return STARTED.encode() in log.read()


def _places(artemis: Artemis, brokers: Brokers) -> dict[str, str]:
    """Where the three brokers are, in Camel's words. Two of them speak AMQP 1.0."""
    rabbitmq = brokers.rabbitmq
    if rabbitmq is None or brokers.kafka is None:
        raise ValueError("The bus goes to Kafka and to RabbitMQ: call up() first.")
    login = rabbitmq.credentials
    return {
        "camel.component.kafka.brokers": brokers.kafka["bootstrap_servers"],
        **_jms("artemis", artemis.amqp),
        **_jms(
            "rabbitmq",
            f"amqp://{rabbitmq.host}:{rabbitmq.port}",
            username=login.username,
            password=login.password,
            queuePrefix="/queues/",
        ),
    }


def _jms(name: str, address: str, **more: str) -> dict[str, str]:
    factory = {"remoteURI": address, **more}
    return {
        f"camel.beans.at{name}": CONNECT,
        **{f"camel.beans.at{name}.{key}": value for key, value in factory.items()},
        f"camel.beans.{name}": JMS,
        f"camel.beans.{name}.connectionFactory": f"#bean:at{name}",
        f"camel.beans.{name}.lazyCreateTransactionManager": "false",  # the broker's own
        f"camel.beans.{name}.jmsMessageType": "Bytes",
    }
