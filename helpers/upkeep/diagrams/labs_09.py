"""The labs of chapter 9: what message patterns promise, and what they need for it."""

from __future__ import annotations

from itertools import pairwise

from .drawing import (
    BLUE_INK,
    GREEN_INK,
    OTHER,
    RED_INK,
    SMALL,
    WHITE,
    Diagram,
    diagram,
)


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


@diagram(
    "Topics of retries, and the dead letters",
    "A record that fails in the topic of changes is sent to a topic of retries with a pause of 0.1"
    " seconds, then to one with 0.2 seconds, and last to the dead letters. Meanwhile the topic of"
    " changes flows on.",
    height=430,
)
def retry_topics(d: Diagram) -> None:
    d.frame(16, 16, 270, 398, "Kafka")
    steps = (("changes", 76), ("retry after 0.1 s", 166), ("retry after 0.2 s", 256))
    for n, (name, y) in enumerate(steps):
        contents = ["a1", "b1", "b2", "c1"] if not n else ["b2", "", "", ""]
        fills = [OTHER] * 4 if not n else [OTHER, *[WHITE] * 3]
        log = d.log(60, y, contents, size=44, offsets=False, fills=fills)
        d.text(60, y + 34, name, size=SMALL, anchor="start")
        book = d.program(430, y, "address book", width=140)
        d.arrow((286, y), book.left)
        d.text(516, y, "noted", size=SMALL, colour=GREEN_INK, anchor="start")
        low, x = y + 45, log.right[0] + 26
        d.arrow((430, y + 22), (430, low), (x, low), (x, y + 90), (x - 22, y + 90))
        d.text(444, y + 36, "failed", size=SMALL, colour=RED_INK, anchor="start")
    d.log(60, 346, ["b2", "", "", ""], size=44, offsets=False, fills=[OTHER, *[WHITE] * 3])
    d.text(60, 380, "dead letters", size=SMALL, anchor="start")
    d.person(430, 372, "you")
    d.arrow((286, 372), (406, 372))
