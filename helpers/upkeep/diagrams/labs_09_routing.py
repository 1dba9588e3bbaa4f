"""The lab of chapter 9 on routing: a tap, and a bridge between two brokers."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "Two ways to listen in",
    "Two ways to listen in. Above, the tap is one more consumer at the queue of packing. Below, it"
    " has a queue of its own at the exchange.",
    height=400,
)
def two_taps(d: Diagram) -> None:
    for top, title in ((14, "at the same queue"), (206, "at a queue of its own")):
        d.frame(14, top, 612, 180, title)
        orders = d.paper(84, top + 106, "orders", width=96)
        if top == 14:
            queue = d.queue(334, top + 106, ["3", "2", "1"], "packing's queue")
            d.arrow(orders.right, queue.left)
        else:
            exchange = d.exchange(214, top + 106, "exchange", width=116)
            d.arrow(orders.right, exchange.left)
        for y, name in ((top + 66, "packing"), (top + 142, "tap")):
            program = d.program(552, y, name, width=100)
            if top == 206:
                queue = d.queue(334, y, ["3", "2", "1"], f"{name}'s queue")
                d.arrow(exchange.right, queue.left)
            d.arrow(queue.right, program.left)


@diagram(
    "A bridge",
    "A bridge takes orders from a queue of RabbitMQ, sends them to a topic of Kafka, and acknowledges"
    " them to RabbitMQ. Kafka answers to each order. No step covers both brokers.",
    height=190,
)
def bridge(d: Diagram) -> None:
    d.frame(14, 20, 150, 150, "RabbitMQ")
    queue = d.queue(29, 96, ["8", "7", "6"], size=40)
    middle = d.program(330, 96, "bridge", width=96, height=84)
    d.frame(476, 20, 150, 150, "Kafka")
    log = d.log(494, 86, ["4", "5", "6"], size=40, first=3)
    d.arrow((queue.right[0], 76), (middle.x, 76))
    d.arrow((middle.x, 116), (queue.right[0], 116), answer=True)
    d.arrow((middle.x + 96, 76), (log.x, 76))
    d.arrow((log.x, 116), (middle.x + 96, 116), answer=True)
    d.text(222, 56, "take", size=SMALL)
    d.text(222, 140, "acknowledge", size=SMALL, colour=BLUE_INK)
    d.text(427, 56, "send", size=SMALL)
    d.text(427, 140, "I have it", size=SMALL, colour=BLUE_INK)
