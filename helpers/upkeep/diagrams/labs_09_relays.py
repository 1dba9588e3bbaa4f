"""The lab on relays: two of them at one outbox, and a row that is committed late."""

from __future__ import annotations

from .drawing import BLUE_INK, MESSAGE, OTHER, SMALL, Diagram, diagram


@diagram(
    "Two relays at one outbox",
    "An outbox of twelve rows: placed for orders 1 to 4, then paid, then shipped. Relay A holds the"
    " first four rows. Relay B skips them, and takes the eight behind them.",
    height=262,
)
def skip_locked(d: Diagram) -> None:
    left, size = 56, 44
    numbers = [str(order) for _stage in range(3) for order in (1, 2, 3, 4)]
    d.log(left, 150, numbers, size=size, offsets=False, fills=[OTHER] * 4 + [MESSAGE] * 8)
    for n, stage in enumerate(("placed", "paid", "shipped")):
        d.text(left + size * (4 * n + 2), 190, stage, size=SMALL)
    held, free = left + size * 2, left + size * 8
    for x, name, word in ((held, "relay A", "holds four rows"), (free, "relay B", "skips them")):
        relay = d.program(x, 44, name)
        d.arrow(relay.bottom, (x, 129))
        d.text(x + 12, 98, word, size=SMALL, colour=BLUE_INK, anchor="start")
    d.text(left + size * 6, 236, "the outbox: the number of each row's order", size=SMALL)
