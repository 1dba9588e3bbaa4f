"""Chapter 2: what a broker takes off the programs on its two sides."""

from __future__ import annotations

from .drawing import BLUE, GREEN_INK, INK, MESSAGE, RED_INK, SMALL, VERMILION, Diagram, diagram


@diagram(
    "Twenty-five links, or ten",
    "Left: five producers that call five consumers need 25 links. Right: with a broker between them"
    " each knows only the broker, and there are 10 links.",
    height=400,
)
def coupling(d: Diagram) -> None:
    rows = [92 + n * 62 for n in range(5)]
    d.heading(20, 30, "direct: 25 links")
    left = [
        d.program(54, y, name, width=52, height=40) for name, y in zip("ABCDE", rows, strict=True)
    ]
    right = [
        d.program(256, y, name, width=52, height=40) for name, y in zip("VWXYZ", rows, strict=True)
    ]
    for one in left:
        for other in right:
            d.line(one.right, other.left, colour=INK)
    d.line((320, 20), (320, 380), dashed=True)
    d.heading(346, 30, "with a broker: 10 links")
    broker = d.frame(446, 66, 76, 300)
    d.text(*broker.middle, "broker")
    for names, x, side in (("ABCDE", 372, 398), ("VWXYZ", 594, 568)):
        for name, y in zip(names, rows, strict=True):
            d.program(x, y, name, width=52, height=40)
            d.line((side, y), (446 if x < 480 else 522, y), colour=INK)


@diagram(
    "A queue levels the load",
    "Many orders arrive in a burst, and the service handles them at its own steady rate. The queue"
    " grows during the burst and drains slowly afterwards.",
    height=424,
)
def load_levelling(d: Diagram) -> None:
    x0, base = 130, 180
    d.text(118, 70, "per second", size=SMALL, anchor="end")
    d.line((x0, 30), (x0, base), (620, base))
    d.line(
        (x0, base - 22),
        (180, base - 22),
        (180, 50),
        (240, 50),
        (240, base - 22),
        (610, base - 22),
        colour=VERMILION,
    )
    d.line(
        (x0, base - 19),
        (182, base - 19),
        (182, 112),
        (520, 112),
        (520, base - 19),
        (610, base - 19),
        colour=BLUE,
    )
    d.text(254, 56, "arrive: a burst", size=SMALL, colour=RED_INK, anchor="start")
    d.text(300, 94, "handled: steady", size=SMALL, colour="#005A8C", anchor="start")
    low = 350
    d.text(118, 260, "wait in\nthe queue", size=SMALL, anchor="end")
    d.area((180, low), (240, 236), (520, low), fill=MESSAGE)
    d.line((x0, 220), (x0, low), (620, low))
    d.text(300, 324, "delay, not loss", size=SMALL)
    d.text(520, 368, "empty again", size=SMALL, colour=GREEN_INK)
    d.arrow((540, 400), (616, 400))
    d.note(530, 400, "time", anchor="end")


@diagram(
    "A failure stays where it is",
    "Above: the shop calls three services, email is dead, and the shop fails with it. Below: each"
    " service has a queue, email's order waits in its queue, and the others go on.",
    height=520,
)
def failure_isolation(d: Diagram) -> None:
    d.heading(20, 30, "Calls: the shop fails with email")
    shop = d.program(76, 140, "shop", dead=True)
    for service, y in (("payment", 74), ("email", 140), ("inventory", 206)):
        program = d.program(540, y, service, dead=service == "email")
        d.arrow(shop.right, program.left, lost=service == "email")
    d.line((20, 246), (620, 246))
    d.heading(20, 276, "Queues: only email waits")
    shop = d.program(76, 408, "shop")
    d.frame(190, 296, 220, 208, "broker")
    for service, y in (("payment", 356), ("email", 408), ("inventory", 460)):
        dead = service == "email"
        queue = d.queue(250, y, ["3", "2", "1"] if dead else ["", "", ""])
        d.arrow(shop.right, queue.left)
        program = d.program(540, y, service, dead=dead)
        if not dead:
            d.arrow(queue.right, program.left)
