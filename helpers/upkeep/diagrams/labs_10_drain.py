"""The lab on draining a node: what happens to it, step by step."""

from __future__ import annotations

from .drawing import GREEN_TINT, GREY_TINT, MESSAGE, SMALL, WHITE, Diagram, diagram


@diagram(
    "Drain, stop, start",
    "A node over time. First it serves. While it is drained it runs, but takes no clients and leads"
    " no queue. Then it is stopped and started, serves clients again, and leads again after the"
    " rebalance.",
    height=170,
)
def drain_and_revive(d: Diagram) -> None:
    pieces = (
        (10, 120, GREEN_TINT, "serves", ""),
        (120, 250, MESSAGE, "drained", "drain"),
        (250, 360, WHITE, "stopped", "stop"),
        (360, 500, GREY_TINT, "serves, follows", "start"),
        (500, 630, GREEN_TINT, "leads again", "rebalance"),
    )
    for left, right, fill, label, step in pieces:
        d.area((left, 30), (right, 30), (right, 82), (left, 82), fill=fill)
        d.text((left + right) / 2, 56, label, size=SMALL)
        if step:
            d.arrow((left, 128), (left, 84))
            d.text(left, 146, step, size=SMALL)
