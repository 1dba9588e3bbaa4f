"""The lab on sharing a broker: two virtual hosts within one broker."""

from __future__ import annotations

from .drawing import RED_INK, SMALL, Diagram, diagram


@diagram(
    "Two virtual hosts",
    "One RabbitMQ with two virtual hosts, shop and reports. Each has a queue of the name orders, and"
    " its own team's programs come to it. Below both is one disk, which they share.",
    height=304,
)
def two_virtual_hosts(d: Diagram) -> None:
    shop = d.program(70, 92, "shop", width=96)
    reports = d.program(570, 92, "reports", width=96)
    d.frame(160, 14, 320, 276, "RabbitMQ")
    left = d.group(174, 48, 140, 116, "vhost shop")
    right = d.group(326, 48, 140, 116, "vhost reports")
    d.queue(210, 128, ["2", "1"], "orders")
    d.queue(362, 128, ["2", "1"], "orders")
    d.arrow(shop.right, (left.x, 92))
    d.arrow(reports.left, (right.x + right.width, 92))
    d.database(320, 224, "one disk", width=120)
    d.arrow((244, 164), (284, 198))
    d.arrow((396, 164), (356, 198))
    d.text(320, 270, "shared by both", size=SMALL, colour=RED_INK)
