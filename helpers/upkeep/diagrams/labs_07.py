"""The lab of chapter 7: an event store over the years."""

from __future__ import annotations

from .drawing import BLUE_INK, GREY_INK, SMALL, Diagram, diagram


@diagram(
    "Two writers and a reader, over time",
    "Two writers over time. The slow one takes number 1 first and commits last. In between, the quick"
    " one takes number 2 and commits. A reader looks twice: before and after the slow one's commit.",
    height=300,
)
def position_gap(d: Diagram) -> None:
    lanes = {"slow writer": 50, "quick writer": 120, "reader": 190}
    for lane, y in lanes.items():
        d.text(20, y, lane, size=SMALL, colour=GREY_INK, anchor="start")
    d.paper(186, 50, "takes 1", width=92, height=40)
    d.line((234, 50), (462, 50))
    d.paper(512, 50, "commits", width=98, height=40)
    d.paper(246, 120, "takes 2", width=92, height=40)
    d.line((294, 120), (310, 120))
    d.paper(360, 120, "commits", width=98, height=40)
    d.program(444, 190, "looks", width=70)
    d.program(588, 190, "looks", width=70)
    d.arrow((134, 248), (624, 248))
    d.text(379, 272, "time", size=SMALL, colour=BLUE_INK)
