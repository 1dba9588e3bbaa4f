"""The lab on delayed retry: three ways back into a queue."""

from __future__ import annotations

from .drawing import BLUE_INK, GREEN_INK, RED_INK, SMALL, Diagram, diagram


@diagram(
    "Three ways back",
    "A change that is rejected, or whose worker dies, is counted. Up to the limit it waits, and is"
    " ready again after a pause; beyond the limit it is a dead letter. One that is nacked is ready"
    " again at once, and not counted.",
    height=392,
)
def three_ways_back(d: Diagram) -> None:
    d.group(18, 16, 248, 264, "one queue")
    ready, waiting, dead = (
        d.queue(58, y, contents, label, size=56)
        for y, contents, label in (
            (94, ["c3", "b3", "a3"], "ready"),
            (244, ["", "", "b2"], "waiting"),
            (354, ["", "", "a1"], "dead letters"),
        )
    )
    worker = d.program(552, 94, "worker")
    d.arrow(ready.right, worker.left)
    d.arrow((540, 116), (540, 154), (198, 154), (198, 113), answer=True)
    d.text(402, 136, "nacked: at once, not counted", size=SMALL, colour=GREEN_INK)
    d.line((580, 116), (580, 354))
    d.text(568, 188, "rejected, or died:\ncounted", size=SMALL, colour=RED_INK, anchor="end")
    d.arrow((580, 244), waiting.right)
    d.text(410, 226, "up to the limit", size=SMALL)
    d.arrow((86, 227), (86, 113))
    d.text(98, 182, "after a pause", size=SMALL, colour=BLUE_INK, anchor="start")
    d.arrow((580, 354), dead.right)
    d.text(410, 336, "beyond the limit", size=SMALL)
