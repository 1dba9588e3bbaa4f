"""ActiveMQ Artemis, a broker that speaks STOMP and AMQP 1.0, as a process of one's own."""

from __future__ import annotations

import signal
from pathlib import Path
from xml.sax.saxutils import escape

from ..brokers import jars, java, ports, process
from ..pipeline import Program, started
from ..settings import HOST

__all__ = ["LOCK", "Artemis"]

LOCK = Path(__file__).with_name("artemis.lock")
MAIN = "org.apache.activemq.artemis.core.server.embedded.Main"
CONFIGURATION = """<?xml version="1.0"?>
<configuration xmlns="urn:activemq">
 <core xmlns="urn:activemq:core">
  <name>artemis</name>
  <security-enabled>false</security-enabled>
  <persistence-enabled>true</persistence-enabled>
  <journal-type>NIO</journal-type>
  <journal-min-files>2</journal-min-files>
  <journal-file-size>1M</journal-file-size>
  <journal-sync-transactional>true</journal-sync-transactional>
  <journal-sync-non-transactional>true</journal-sync-non-transactional>
  <journal-directory>{data}/journal</journal-directory>
  <bindings-directory>{data}/bindings</bindings-directory>
  <large-messages-directory>{data}/large</large-messages-directory>
  <paging-directory>{data}/paging</paging-directory>
  <critical-analyzer>false</critical-analyzer>
  <jmx-management-enabled>false</jmx-management-enabled>
  <acceptors>
   <acceptor name="stomp">tcp://{host}:{stomp}?protocols=STOMP;{prefixes}{java}</acceptor>
   <acceptor name="amqp">tcp://{host}:{amqp}?protocols=AMQP;{java}</acceptor>
  </acceptors>
  <address-settings>
   <address-setting match="#">
    <auto-delete-queues>false</auto-delete-queues>
    <auto-delete-addresses>false</auto-delete-addresses>
    <redelivery-delay>0</redelivery-delay>
    <max-delivery-attempts>-1</max-delivery-attempts>
   </address-setting>
  </address-settings>
 </core>
</configuration>
"""


PREFIXES = (
    "anycastPrefix=/queue/;multicastPrefix=/topic/;"  # of what a queue and a topic are called
)
JAVA_ALONE = "useEpoll=false;useKQueue=false"  # for the network


class Artemis(Program):
    """A new and empty Artemis; it serves when this returns, and again after ``kill()`` and ``start()``.

    ``stomp`` is where it speaks STOMP, a host and a port; ``amqp`` the address of AMQP 1.0. A queue or
    a topic is made when it is first used, and kept when nobody uses it any more.
    """

    def __init__(self) -> None:
        """Raises BrokerError: it did not start; with its last words."""
        stomp, amqp = ports.free(2)
        self.stomp = HOST, stomp
        self.amqp = f"amqp://{HOST}:{amqp}"
        listens = lambda: ports.answers(stomp) and ports.answers(amqp)  # noqa: E731
        super().__init__("artemis", self._serve, "java", signal.SIGKILL, listens)
        java.write_class_path(self.directory / "class-path.args", jars.locked(LOCK))
        (self.directory / "etc").mkdir()
        doors = {"host": HOST, "stomp": stomp, "amqp": amqp}
        network = {"prefixes": PREFIXES, "java": JAVA_ALONE, **doors}
        written = CONFIGURATION.format(data=escape(str(self.data)), **network)
        (self.directory / "etc" / "broker.xml").write_text(written)
        started(self)

    def _serve(self, token: str) -> process.CommandLine:
        command = java.command(self.directory / "class-path.args", token)
        return [*command, MAIN, self.directory], {}
