"""The lab on windows: when an hour closes."""

from __future__ import annotations

from .drawing import BLUE, BLUE_INK, GREY_TINT, RED_INK, SMALL, Diagram, diagram

ORDERS = ("9:20", "9:45", "10:08", "9:52", "10:13", "9:40")  # as they come
IN_TIME = "9:52"  # before the watermark, and its hour is open
WAIT, TOP, STEP = 10, 92, 38  # minutes; units
EDGES = ("9:00", "10:00")


def _minute(time: str) -> int:
    hour, minute = time.split(":")
    return 60 * int(hour) + int(minute)


def _x(minute: float) -> float:
    return 128 + 6 * (minute - _minute(EDGES[0]))


@diagram(
    "A watermark closes an hour",
    "Six orders come one after the other: of 9:20, 9:45, 10:08, 9:52, 10:13 and 9:40. The watermark is"
    " ten minutes behind the latest order so far. The order of 9:52 is in time. With the order of 10:13"
    " the watermark is past 10:00, and the hour from 9 to 10 is closed. The order of 9:40 is late.",
    height=378,
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
        box = d.cells(_x(_minute(time)) - 28, y, [time], size=56, height=26)
        if time == IN_TIME:
            d.text(box.left[0] - 8, y, "in time", size=SMALL, bold=True, anchor="end")
        if row == len(ORDERS) - 1:
            d.text(
                box.right[0] + 8, y, "late", size=SMALL, bold=True, colour=RED_INK, anchor="start"
            )
    said = "blue: the watermark, 10 minutes behind the latest order", "past 10:00 it closes 9 to 10"
    for line, text in enumerate(said):
        d.text(left, low + 28 + 22 * line, text, size=SMALL, colour=BLUE_INK, anchor="start")
