"""The same shop around RabbitMQ: a topic is an exchange, and each service has a queue of its own."""

import json
from collections.abc import Iterable

import pika

from helpers import clients, fresh, wait_until

from . import shop
from .running_shop import RunningShop

ASIDE = "shop.looked.at"  # an event that no service reacts to


class RabbitMQShop(RunningShop):
    """A further queue, the journal, gets a copy of each event and command."""

    OPTIONS = ("--broker", "rabbitmq")

    def events(self) -> list[shop.Event]:
        """All events and commands so far."""
        self._seen += map(json.loads, clients.take_all(self._channel, self._journal))
        return [event for event in self._seen if event["type"] != ASIDE]

    def wait_until_done(self) -> None:
        """Wait until each service has handled all there is, and nothing new came of that.

        Queues keep their order, and a service has one message in hand: when it has handled an event
        that we put at the end of its queue, it has handled all before it.
        """

        def at_rest() -> bool:
            before, mark = len(self.events()), fresh("aside")
            for topic in self.topics:
                aside = shop.new_event(ASIDE, {"order": mark})
                self._channel.basic_publish(topic, "", json.dumps(aside), clients.PERSISTENT)
            for service in self.services.values():
                service.wait_for(f"handled {mark} ", timeout=60)
            return len(self.events()) == before

        wait_until(at_rest, "the shop to be at rest", timeout=60)

    def stop(self) -> None:
        """End all services."""
        super().stop()
        self._channel.connection.close()

    def _make_topics(self) -> None:
        self._channel = pika.BlockingConnection(self.brokers.rabbitmq).channel()
        self._channel.confirm_delivery()
        self._seen: list[shop.Event] = []
        self._journal = fresh("journal")
        for topic in self.topics:
            self._channel.exchange_declare(topic, "fanout", durable=True)
        journal = [(topic, self._journal) for topic in self.topics]
        for topic, queue in [*self._subscriptions(), *journal]:
            clients.declare_queue(self._channel, queue, x_delivery_limit=20)
            self._channel.queue_bind(queue, topic)

    def publish(self, events: Iterable[shop.Event]) -> None:
        """Publish events to the services."""
        for event in events:
            self._channel.basic_publish(
                self.topics[0], "", json.dumps(event), clients.PERSISTENT, mandatory=True
            )
