"""The lab on Redis Streams: an entry in a dead worker's hand."""

from __future__ import annotations

from .drawing import SMALL, Diagram, diagram


@diagram(
    "What a dead worker had in hand",
    "A stream has orders 1 to 12, and a group packers has read to its end. The group's pending list has"
    " orders 4 to 12 under worker-1, who is dead, and nothing under worker-2, who gets new orders only."
    " XAUTOCLAIM moves 4 to 12 to worker-2.",
    height=344,
)
def redis_pending_list(d: Diagram) -> None:
    d.frame(16, 16, 608, 132, "Redis: stream orders")
    log = d.log(52, 96, [str(n) for n in range(1, 13)], offsets=False, size=42)
    d.bookmark(log.x + 12 * 42, log.y - 4, "packers")
    d.frame(16, 166, 400, 162, "pending list of packers")
    d.text(36, 222, "worker-1", size=SMALL, anchor="start")
    d.cells(130, 222, ["4", "5", "6", "…", "12"])
    d.text(36, 290, "worker-2", size=SMALL, anchor="start")
    d.note(130, 290, "nothing")
    d.arrow((262, 244), (262, 280))
    d.text(276, 264, "XAUTOCLAIM", size=SMALL, anchor="start")
    d.program(536, 222, "worker-1", dead=True)
    d.program(536, 290, "worker-2")
