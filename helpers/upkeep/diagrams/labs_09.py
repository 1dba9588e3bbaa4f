"""The labs of chapter 9: what message patterns promise, and what they need for it."""

from __future__ import annotations

from itertools import pairwise

from .drawing import BLUE_INK, RED_INK, SMALL, Diagram, diagram


@diagram(
    "Ten places to die",
    "Three rows of steps. Commit first: work, commit, publish, end. Publish first: work, publish,"
    " commit, end. Outbox: work, commit, publish, strike out, end. A dashed frame holds the steps of"
    " the database's transaction; crosses mark the ten places where the service is killed.",
    height=370,
)
def outbox_crash_points(d: Diagram) -> None:
    ways = (
        ("Commit first", ("work", "commit", "publish", "end"), (0, 1, 3), 2),
        ("Publish first", ("work", "publish", "commit", "end"), (0, 1, 3), 3),
        ("Outbox", ("work", "commit", "publish", "strike out", "end"), (0, 1, 2, 4), 2),
    )
    for row, (name, steps, deaths, within) in enumerate(ways):
        y = 84 + 114 * row
        d.heading(20, y - 58, name)
        d.group(14, y - 36, 122 * within + 4, 72)
        boxes = [d.program(74 + 122 * n, y, step, width=96) for n, step in enumerate(steps)]
        for before, after in pairwise(boxes):
            d.arrow(before.right, after.left)
        for n in deaths:
            d.cross(boxes[n].right[0] + 10, y + 24)
    d.text(540, 26, "✗ killed after it", size=SMALL, colour=RED_INK)
    d.text(540, 52, "dashed: transaction", size=SMALL, colour=BLUE_INK)
