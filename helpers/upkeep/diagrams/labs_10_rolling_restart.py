"""The lab on rolling restarts: whose turn is when."""

from __future__ import annotations

from .drawing import GREEN_TINT, MESSAGE, SMALL, WHITE, Diagram, diagram


@diagram(
    "A rolling restart",
    "Three nodes over time. Node 1 is stopped, starts, copies what it has missed, and is in step."
    " Only then is node 2 stopped, and after it node 3. At any time two nodes are in step.",
    height=250,
)
def rolling_restart(d: Diagram) -> None:
    begin, end, turn = 96, 620, 170
    for number in (1, 2, 3):
        y = 22 + 60 * (number - 1)
        d.text(80, y + 20, f"node {number}", anchor="end")
        stop = begin + 14 + turn * (number - 1)
        pieces = (
            (begin, stop, GREEN_TINT, ""),
            (stop, stop + 76, WHITE, "restarts"),
            (stop + 76, stop + 152, MESSAGE, "copies"),
            (stop + 152, end, GREEN_TINT, ""),
        )
        for left, right, fill, label in pieces:
            d.area((left, y), (right, y), (right, y + 40), (left, y + 40), fill=fill)
            if label:
                d.text((left + right) / 2, y + 20, label, size=SMALL)
    for number in (1, 2):
        x = begin + 14 + turn * number
        d.line((x - 9, 16), (x - 9, 200), dashed=True)
    d.text(191, 42 + 60, "in step", size=SMALL)
    d.text(191, 42 + 120, "in step", size=SMALL)
    d.text(361, 42, "in step", size=SMALL)
    d.text(361, 42 + 120, "in step", size=SMALL)
    d.text(531, 42, "in step", size=SMALL)
    d.text(531, 42 + 60, "in step", size=SMALL)
    d.text(begin, 226, "time →", size=SMALL, anchor="start")
    d.text(271, 226, "node 1 is in step:\nnow node 2", size=SMALL)
    d.text(441, 226, "node 2 is in step:\nnow node 3", size=SMALL)
