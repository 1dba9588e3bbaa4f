"""The lab on windows: when an hour closes."""

from __future__ import annotations

from .drawing import BLUE, BLUE_INK, GREY_TINT, RED_INK, SMALL, Diagram, diagram

ORDERS = ("9:20", "9:50", "10:05", "9:55", "10:10", "9:40")  # as they come
WAIT, TOP, STEP = 10, 92, 38  # minutes; units
EDGES = ("9:00", "10:00")


def _minute(time: str) -> int:
    hour, minute = time.split(":")
    return 60 * int(hour) + int(minute)


def _x(minute: float) -> float:
    return 128 + 4.5 * (minute - _minute(EDGES[0]))


@diagram(
    "A watermark closes an hour",
    "Six orders come one after the other: of 9:20, 9:50, 10:05, 9:55, 10:10 and 9:40. The watermark is"
    " ten minutes behind the latest order so far. The order of 9:55 is in time. With the order of 10:10"
    " the watermark is at 10:00, and the hour from 9 to 10 is closed. The order of 9:40 is late.",
    height=356,
)
def watermark(d: Diagram) -> None:
    left, low = _x(_minute(EDGES[0])), TOP + STEP * len(ORDERS) - STEP / 2
    marks, latest = [left], 0
    for time in ORDERS[:-1]:
        latest = max(latest, _minute(time))
        marks.append(_x(latest - WAIT))
    steps = [
        (x, TOP + STEP * row + side * STEP / 2) for row, x in enumerate(marks) for side in (-1, 1)
    ]
    d.area((left, low), (left, TOP - STEP / 2), *steps, fill=GREY_TINT)
    for edge in EDGES:
        x = _x(_minute(edge))
        d.text(x, 34, edge, size=SMALL)
        d.line((x, 48), (x, low + 6), dashed=edge != EDGES[0])
    d.line(*steps, colour=BLUE)
    for row, time in enumerate(ORDERS):
        y = TOP + STEP * row
        d.text(64, y, f"number {row + 1}", size=SMALL)
        last = row == len(ORDERS) - 1
        box = d.cells(_x(_minute(time)) - 28, y, [time], size=56, height=26)
        if last:
            d.text(
                box.right[0] + 8, y, "late", size=SMALL, bold=True, colour=RED_INK, anchor="start"
            )
    closes = TOP + STEP * (len(ORDERS) - 1.5)
    d.text(
        _x(_minute("10:00")) + 10, closes + 34, "here 9 to 10 is closed", size=SMALL, anchor="start"
    )
    d.text(left, low + 28, "blue: the watermark, 10 minutes behind the latest order",
           size=SMALL, colour=BLUE_INK, anchor="start")  # fmt: skip
