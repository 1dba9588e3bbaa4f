"""Google Pub/Sub's stand-in: the server that the tests of Google's own Go client use, as a process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from ..brokers import ports, process
from ..pipeline import Program, started
from ..settings import HOST
from .parts import GoProgram

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

__all__ = ["Server", "connect"]

PROGRAM = GoProgram("pubsub")


class Server(Program):
    """A new and empty server on a free port of this machine; it serves when this returns.

    ``address`` is where it is, a host and a port. It keeps everything in memory.
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            BrokerError: it did not start; with the end of its log.
        """
        [self._port] = ports.free(1)
        self.address = f"{HOST}:{self._port}"
        listens = lambda: ports.answers(self._port)  # noqa: E731
        super().__init__("pubsub", self._serve, PROGRAM.path().name, signal.SIGKILL, listens)
        started(self)

    def _serve(self, _token: str) -> process.CommandLine:
        return [PROGRAM.path(), str(self._port)], {}


def connect(address: str, *settings: Any) -> tuple[PublisherClient, SubscriberClient]:
    """Google's client libraries, going to this address, and never to Google, whatever account the user
    has; ``settings`` are the publisher's."""
    import grpc
    from google.cloud import pubsub_v1
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    to_publish = PublisherGrpcTransport(channel=grpc.insecure_channel(address))
    to_receive = SubscriberGrpcTransport(channel=grpc.insecure_channel(address))
    return (
        pubsub_v1.PublisherClient(*settings, transport=to_publish),
        pubsub_v1.SubscriberClient(transport=to_receive),
    )
