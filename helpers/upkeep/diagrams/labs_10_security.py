"""The lab on security: who wants to read the shop's orders, and who poses as its broker."""

from __future__ import annotations

from .drawing import PURPLE_TINT, RED_INK, SMALL, Diagram, diagram


@diagram(
    "Three attackers",
    "The shop sends orders to the broker. One attacker listens on the wire between them. A stranger"
    " and a colleague connect to the broker themselves.",
    height=300,
)
def three_attackers(d: Diagram) -> None:
    shop = d.program(74, 80, "shop", width=96)
    broker = d.frame(430, 40, 180, 80, "broker")
    d.queue(446, 92, ["3", "2", "1"])
    tap = d.program(270, 80, "wiretap", fill=PURPLE_TINT)
    d.arrow(shop.right, tap.left)
    d.arrow(tap.right, broker.left)
    d.text(270, 34, "on the wire: copies each byte", size=SMALL, colour=RED_INK)
    stranger = d.program(400, 220, "stranger", width=110, fill=PURPLE_TINT)
    colleague = d.program(590, 220, "colleague", width=110, fill=PURPLE_TINT)
    d.arrow(stranger.top, (460, 120))
    d.arrow(colleague.top, (560, 120))
    d.text(400, 266, "knows the default\npassword", size=SMALL, colour=RED_INK)
    d.text(590, 266, "has a password\nof her own", size=SMALL, colour=RED_INK)


@diagram(
    "The impostor",
    "The client connects to the impostor, who shows a certificate, reads the password, and passes"
    " everything on to the broker by a second TLS connection.",
    height=210,
)
def impostor(d: Diagram) -> None:
    client = d.program(74, 90, "client", width=96)
    thief = d.program(330, 90, "impostor", fill=PURPLE_TINT)
    broker = d.program(590, 90, "broker", width=96)
    d.arrow(client.right, thief.left)
    d.arrow(thief.right, broker.left)
    d.text(197, 72, "TLS, password", size=SMALL)
    d.text(465, 72, "TLS, password", size=SMALL)
    paper = d.paper(330, 168, "certificate", width=116, height=44)
    d.arrow(paper.left, (74, 168), client.bottom, answer=True)
    d.text(200, 190, "is this our broker?", size=SMALL, colour=RED_INK)
    d.text(330, 46, "reads the password", size=SMALL, colour=RED_INK)
