"""The labs of chapter 10."""

from __future__ import annotations

from .drawing import MESSAGE, SMALL, WHITE, Diagram, diagram


@diagram(
    "Lag and margin",
    "A log of orders. On the left some are deleted already. Then come those that are left,"
    " from the oldest offset on, with the committed offset among them, up to the end. The lag is the"
    " distance from the committed offset to the end, the margin the distance from the oldest to the"
    " committed one.",
    height=210,
)
def lag_and_margin(d: Diagram) -> None:
    size, left, y = 44, 56, 112
    contents = ["✗"] * 3 + [f"{n}" for n in range(13, 22)]
    fills = [WHITE] * 3 + [MESSAGE] * 9
    d.log(left, y, contents, offsets=False, size=size, fills=fills)
    for n, name in ((3, "oldest"), (6, "committed"), (12, "end")):
        d.bookmark(left + n * size, y - 20, name)
    d.text(left + 1.5 * size, y + 36, "deleted", size=SMALL)
    for first, last, name in ((3, 6, "margin: 3"), (6, 12, "lag: 6")):
        middle = left + (first + last) * size / 2
        d.arrow((middle, 160), (left + first * size + 3, 160))
        d.arrow((middle, 160), (left + last * size - 3, 160))
        d.text(middle, 182, name)


@diagram(
    "Prometheus and its rules",
    "Prometheus collects numbers from RabbitMQ, which has a plugin for it, and from an exporter, which"
    " asks Kafka. Its rules look at the numbers; an alert that fires rings.",
    height=270,
)
def prometheus_and_rules(d: Diagram) -> None:
    rabbit = d.program(90, 70, "RabbitMQ\nplugin", width=120, height=64)
    kafka = d.program(90, 200, "Kafka", width=120, height=64)
    exporter = d.program(268, 200, "exporter", width=110)
    prometheus = d.database(400, 90, "Prometheus", width=128)
    rules = d.paper(400, 214, "rules", width=100)
    phone = d.person(576, 90, "on call")
    d.arrow(prometheus.left, rabbit.right)
    d.arrow(prometheus.left, exporter.top)
    d.arrow(exporter.left, kafka.right)
    d.line(rules.top, prometheus.bottom)
    d.arrow(prometheus.right, phone.left)
