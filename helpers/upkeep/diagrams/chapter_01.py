"""Chapter 1: calls, queues, hubs and logs."""

from __future__ import annotations

from .drawing import GREEN_INK, MESSAGE, RED_INK, SMALL, Diagram, diagram


@diagram(
    "A call, and a message",
    "Above, a call: the caller waits until the till answers, and a frozen till freezes it. Below, a"
    " message: the broker confirms at once, and the till takes the order from the queue when it can.",
    height=378,
)
def call_or_message(d: Diagram) -> None:
    d.heading(20, 30, "A call: the caller waits for the till")
    caller = d.program(80, 102, "caller")
    till = d.program(556, 102, "till")
    d.arrow((caller.right[0], 92), (till.x, 92))
    d.text(318, 74, "charge order 1")
    d.arrow((till.x, 114), (caller.right[0], 114), answer=True)
    d.text(318, 134, "receipt, or a time-out", size=SMALL)
    d.text(80, 144, "waits", size=SMALL, colour=RED_INK)
    d.line((20, 176), (620, 176))

    d.heading(20, 206, "A message: the broker has it, and the caller goes on")
    caller = d.program(80, 294, "caller")
    d.frame(220, 236, 220, 124, "broker")
    queue = d.queue(290, 294, ["3", "2", "1"])
    till = d.program(556, 294, "till")
    d.arrow((caller.right[0], 284), (queue.x, 284))
    d.arrow((220, 306), (caller.right[0], 306), answer=True)
    d.text(178, 328, "confirm", size=SMALL)
    d.arrow(queue.right, till.left)
    d.text(80, 342, "goes on", size=SMALL, colour=GREEN_INK)
    d.note(556, 336, "when it can", anchor="middle")


@diagram(
    "Hub and spoke, or a bus",
    "Left: all messages pass through one hub, which translates them one after the other. Right: each"
    " system has a small translator of its own, and the bus between them only carries.",
    height=360,
)
def hub_and_spoke_or_bus(d: Diagram) -> None:
    d.heading(20, 30, "hub: one translator")
    hub = d.program(150, 196, "hub", width=90, height=60, fill=MESSAGE)
    for name, x, y in (("A", 60, 90), ("B", 240, 90), ("C", 60, 302), ("D", 240, 302)):
        system = d.program(x, y, name, width=56)
        side = (hub.x + 12 if x < 150 else hub.x + 78, hub.y if y < 196 else hub.y + 60)
        d.line(
            side,
            (x + (12 if x < 150 else -12), system.y + (44 if y < 196 else 0)),
            colour="#1A1A1A",
        )
    d.line((320, 20), (320, 340), dashed=True)
    d.heading(340, 30, "bus: a translator each")
    d.frame(340, 174, 284, 44)
    d.text(482, 196, "bus")
    for name, x, y in (("A", 396, 90), ("B", 568, 90), ("C", 396, 302), ("D", 568, 302)):
        up = y < 196
        system = d.program(x, y, name, width=56)
        d.cells(x - 12, 144 if up else 248, [""], size=24, height=24, fills=[MESSAGE])
        near, far = (system.bottom[1], 132) if up else (system.y, 260)
        d.line((x, near), (x, far), colour="#1A1A1A")
        d.line((x, 156 if up else 236), (x, 174 if up else 218), colour="#1A1A1A")
    d.cells(340, 340, [""], size=18, height=18, fills=[MESSAGE])
    d.note(366, 340, "translates")


@diagram(
    "A log and its readers",
    "A log keeps what was appended. Each reader has a place of its own in it: one is at the end, one"
    " is behind, and one goes back to offset 0 and reads it all again.",
    height=240,
)
def log_and_readers(d: Diagram) -> None:
    size = 54
    x = 60
    d.heading(20, 30, "one log, read by three")
    log = d.log(x, 130, [str(n) for n in range(1, 9)], size=size, fills=[MESSAGE] * 8)
    d.arrow((620, 130), (log.right[0] + 4, 130))
    d.text(590, 104, "append", size=SMALL)
    d.bookmark(x + 3 * size, log.y - 4, "behind")
    d.bookmark(x + 8 * size, log.y - 4, "at the end")
    d.line((x + 5 * size, 180), (x + 5 * size, 206))
    d.arrow((x + 5 * size, 206), (x + 4, 206), (x + 4, 176))
    d.text(x + 5 * size + 12, 206, "reads it all again", size=SMALL, anchor="start")
