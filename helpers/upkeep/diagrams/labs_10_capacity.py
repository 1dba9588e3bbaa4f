"""The lab on capacity: a standstill, and what two stopwatches see of it."""

from __future__ import annotations

from .drawing import GREY_TINT, MESSAGE, SMALL, Diagram, diagram


@diagram(
    "Two stopwatches",
    "A row of times at which orders are due. For a while the broker stands still. A test that waits"
    " for answers sends one order into the standstill, and the others after it. For an order that was"
    " due meanwhile, the stopwatch that begins at sending runs briefly, the one that begins when it was"
    " due runs long.",
    height=236,
)
def two_stopwatches(d: Diagram) -> None:
    step, begin, end = 34, 272, 454
    d.area((begin, 16), (end, 16), (end, 196), (begin, 196), fill=GREY_TINT)
    d.text((begin + end) / 2, 218, "the broker stands still", size=SMALL)

    def orders(y: float, label: str, places: list[float]) -> None:
        d.text(132, y, label, size=SMALL, anchor="end")
        for x in places:
            left, right = x - 4, x + 4
            d.area((left, y - 14), (right, y - 14), (right, y + 14), (left, y + 14), fill=MESSAGE)

    due = [156.0 + step * n for n in range(14)]
    late = [end + 8 + 12.0 * n for n in range(6)]
    orders(42, "due", due)
    orders(92, "sent", [*due[:5], *late, *due[11:]])
    d.text(132, 140, "from sending", size=SMALL, anchor="end")
    d.text(132, 176, "from due", size=SMALL, anchor="end")
    one, sent, answered = due[5], late[0], late[0] + 36
    d.arrow((sent, 140), (answered, 140))
    d.arrow((one, 176), (answered, 176))
    d.line((one, 60), (one, 176), dashed=True)
    d.text(132, 218, "time →", size=SMALL, anchor="end")
