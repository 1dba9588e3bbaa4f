"""The lab of chapter 2: four protocols at one broker."""

from __future__ import annotations

from .drawing import Diagram, diagram


@diagram(
    "One broker, four protocols",
    "Shops publish by AMQP 0-9-1, AMQP 1.0, MQTT and STOMP to the exchange amq.topic. Three queues are"
    " bound to it, read by AMQP 0-9-1, AMQP 1.0 and STOMP. A fourth queue is made by the broker for"
    " the MQTT client that has subscribed.",
    height=340,
)
def four_protocols(d: Diagram) -> None:
    d.frame(168, 16, 300, 308, "RabbitMQ")
    exchange = d.exchange(248, 184, "amq.topic", width=136)
    names = ("AMQP 0-9-1", "AMQP 1.0", "STOMP", "MQTT")
    for name, y in zip(names, (76, 144, 212, 280), strict=True):
        shop = d.program(82, y, name, width=128)
        d.arrow(shop.right, exchange.left)
        queue = d.queue(360, y, ["1", "1"])
        d.arrow(exchange.right, queue.left)
        d.arrow(queue.right, d.program(560, y, name, width=128).left)
    d.note(394, 312, "made for it", anchor="middle")
