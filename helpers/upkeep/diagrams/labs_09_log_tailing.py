"""The lab on log tailing: the sequence of the commits."""

from __future__ import annotations

from .drawing import BLUE_INK, MESSAGE, OTHER, SMALL, Diagram, diagram

ENTRIES = ("insert\nfirst", "insert\nsecond", "commit\nsecond", "commit\nfirst")
WIDE = 112


@diagram(
    "A log, and who follows it",
    "The log of two transactions: insert first, insert second, commit second, commit first. The relay"
    " sends an event at its commit: second, then first.",
    height=270,
)
def log_tailing(d: Diagram) -> None:
    left, top = (640 - WIDE * len(ENTRIES)) / 2, 72
    d.text(left, 24, "PostgreSQL's log", size=SMALL, anchor="start")
    fills = [MESSAGE, OTHER, OTHER, MESSAGE]
    log = d.cells(left, top, ["", "", "", ""], size=WIDE, height=58, fills=fills)
    for n, entry in enumerate(ENTRIES):
        d.text(left + WIDE * (n + 0.5), top, entry, size=SMALL)
    low = log.y + log.height
    relay = d.program(left + WIDE * 3, 158, "relay", width=WIDE * 2 - 24)
    for n in (2, 3):
        x = left + WIDE * (n + 0.5)
        d.arrow((x, low + 2), (x, relay.y))
    d.text(relay.x - 14, 158, "waits for the commit", size=SMALL, colour=BLUE_INK, anchor="end")
    topic = d.cells(left + WIDE * 2, 236, ["second", "first"], size=WIDE, fills=[OTHER, MESSAGE])
    d.arrow(relay.bottom, (relay.bottom[0], topic.y))
    d.text(topic.x - 14, 236, "the topic", size=SMALL, anchor="end")
