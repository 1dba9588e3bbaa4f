"""The lab on tiered storage: one log in two places."""

from __future__ import annotations

from .drawing import MESSAGE, OTHER, SMALL, Diagram, diagram

STARTS = (0, 104, 208, 312, 416)


@diagram(
    "One log in two places",
    "A log of five segments, which begin at offsets 0, 104, 208, 312 and 416. The object store has the"
    " first four, the broker's disk the last two; 312 is in both. The broker reads both places, and a"
    " reader asks the broker.",
    height=300,
)
def tiered_log(d: Diagram) -> None:
    left, wide, high = 150, 84, 44
    rows = (("object store", 58, STARTS[:4], OTHER), ("broker's disk", 138, STARTS[3:], MESSAGE))
    for name, y, starts, fill in rows:
        d.text(left - 14, y + high / 2, name, anchor="end")
        for start in starts:
            x = left + wide * STARTS.index(start)
            d.area((x, y), (x + wide, y), (x + wide, y + high), (x, y + high), fill=fill)
            d.text(x + wide / 2, y + high / 2, f"{start} …")
    d.line((left, 36), (left, 106), dashed=True)
    d.line((left + 3 * wide, 36), (left + 3 * wide, 186), dashed=True)
    d.text(left, 20, "the log begins", size=SMALL)
    d.text(left + 3 * wide, 20, "the disk begins", size=SMALL)
    d.text(left + 5 * wide, 20, "the end", size=SMALL)
    broker = d.program(left + wide, 266, "broker", width=100)
    reader = d.program(left + 4 * wide, 266, "reader", width=100)
    d.arrow((left + wide, 106), broker.top)
    d.arrow((left + 3.5 * wide, 186), (left + 1.5 * wide, broker.top[1]))
    d.arrow(broker.right, reader.left)
