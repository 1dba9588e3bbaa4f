"""The lab on tracing: the context in the headers, and a batch below a parent or with links."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "The context travels in the headers",
    "A shop sends an order through a RabbitMQ queue to a bridge, and the bridge through a Kafka topic"
    " to a worker. The header of the first message names the shop's span, sell; what the header of"
    " the second one names is the question. Beneath each program is its span.",
    height=190,
)
def trace_across_brokers(d: Diagram) -> None:
    shop, bridge, worker = (
        d.program(x, 84, name, width=84)
        for x, name in ((58, "shop"), (320, "bridge"), (582, "worker"))
    )
    queue = d.queue(152, 84, ["", "1"], "RabbitMQ")
    topic = d.log(412, 84, ["", "1"], offsets=False)
    d.text(446, 52, "Kafka", size=SMALL)
    d.arrow(shop.right, queue.left)
    d.arrow(queue.right, bridge.left)
    d.arrow(bridge.right, topic.left)
    d.arrow(topic.right, worker.left)
    for x, span in ((58, "span: sell"), (320, "span: carry"), (582, "span: pack")):
        d.text(x, 130, span, size=SMALL)
    d.text(189, 164, "traceparent: sell", size=SMALL, colour=BLUE_INK)
    d.text(446, 164, "traceparent: ?", size=SMALL, colour=BLUE_INK)


@diagram(
    "A batch: one parent, or links",
    "Three orders of a batch, each with a trace of its own, are packed in one span. On the left that"
    " span hangs below the first order's span by a solid arrow. On the right it has a dashed link to"
    " each of the three.",
    height=210,
)
def batch_parent_or_links(d: Diagram) -> None:
    for left, heading, linked in ((20, "the first as parent", False), (340, "links", True)):
        d.heading(left, 24, heading)
        pack = d.paper(left + 140, 172, "pack 1, 2, 3", width=126, height=44)
        for n in (1, 2, 3):
            carry = d.paper(left + 45 + 95 * (n - 1), 78, f"carry {n}", width=84, height=44)
            end = (left + 100 + 40 * (n - 1), pack.top[1])
            if linked:
                d.arrow(end, carry.bottom, answer=True)
            elif n == 1:
                d.arrow(carry.bottom, end)
