"""The labs of chapter 3: what a queue in the cloud hides, and for how long."""

from __future__ import annotations

from .drawing import BLUE_TINT, GREY_INK, MESSAGE, RED_INK, SMALL, Box, Diagram, diagram

LEFT, SECOND = 130, 110


def _at(second: float) -> float:
    return LEFT + SECOND * second


def _bar(d: Diagram, y: float, start: float, end: float, label: str, fill: str) -> Box:
    left, right, low = _at(start), _at(end), y + 36
    d.area((left, y), (right, y), (right, low), (left, low), fill=fill)
    d.text((left + right) / 2, y + 18, label, size=SMALL)
    return Box(left, y, right - left, 36)


@diagram(
    "A message is hidden, not handed over",
    "Above: worker 1 takes an order at second 0 and is done at second 4. At second 2 the order can be"
    " seen again, and worker 2 does it as well. Below: worker 1 extends the time-out again and again;"
    " the order stays hidden, and is done once.",
    height=440,
)
def visibility_time_out(d: Diagram) -> None:
    for top, heading in ((16, "Hidden for two seconds"), (236, "Hidden again and again")):
        d.heading(20, top + 12, heading)
        d.text(LEFT - 14, top + 58, "the order is", size=SMALL, anchor="end")
        d.text(LEFT - 14, top + 108, "worker 1", size=SMALL, anchor="end")
    _bar(d, 56, 0, 2, "hidden", MESSAGE)
    _bar(d, 56, 2, 2.9, "hidden", MESSAGE)
    _bar(d, 106, 0, 4, "", BLUE_TINT)
    d.text(_at(1), 124, "works on it", size=SMALL)
    d.text(LEFT - 14, 174, "worker 2", size=SMALL, anchor="end")
    second = _bar(d, 156, 2, 2.9, "does it", BLUE_TINT)
    d.line((_at(2), 46), (_at(2), 200), dashed=True)
    d.text(second.right[0] + 12, 174, "done twice", size=SMALL, colour=RED_INK, anchor="start")
    d.text(_at(2), 212, "second 2", size=SMALL, colour=GREY_INK)
    d.line((20, 228), (620, 228))
    _bar(d, 276, 0, 4, "hidden", MESSAGE)
    _bar(d, 326, 0, 4, "works on it", BLUE_TINT)
    for n in range(1, 10):
        d.arrow((_at(0.4 * n), 326), (_at(0.4 * n), 312))
    d.text(LEFT - 14, 394, "worker 2", size=SMALL, anchor="end")
    d.text(LEFT, 394, "gets nothing", size=SMALL, colour=GREY_INK, anchor="start")
    d.text(_at(4), 394, "done once", size=SMALL, anchor="end")
    d.text(_at(0), 424, "second 0", size=SMALL, colour=GREY_INK)
    d.text(_at(4), 424, "second 4", size=SMALL, colour=GREY_INK)
