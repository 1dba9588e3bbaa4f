"""The lab on security: who wants to read the shop's orders, and who poses as its broker."""

from __future__ import annotations

from .drawing import PURPLE_TINT, RED_INK, SMALL, Diagram, diagram


@diagram(
    "Three attackers",
    "The shop sends orders to the broker. One attacker listens on the wire between them. A stranger"
    " and a colleague connect to the broker themselves.",
    height=310,
)
def three_attackers(d: Diagram) -> None:
    shop = d.program(70, 80, "shop", width=96)
    broker = d.frame(430, 36, 176, 88, "broker")
    d.queue(448, 94, ["3", "2", "1"])
    tap = d.program(268, 80, "wiretap", fill=PURPLE_TINT)
    d.arrow(shop.right, tap.left)
    d.arrow(tap.right, broker.left)
    d.text(268, 36, "on the wire: copies each byte", size=SMALL, colour=RED_INK)
    stranger = d.program(350, 214, "stranger", width=116, fill=PURPLE_TINT)
    colleague = d.program(540, 214, "colleague", width=116, fill=PURPLE_TINT)
    d.arrow(stranger.top, (470, 124))
    d.arrow(colleague.top, (540, 124))
    d.text(350, 262, "knows the\ndefault password", size=SMALL, colour=RED_INK)
    d.text(540, 262, "has a password\nof her own", size=SMALL, colour=RED_INK)


@diagram(
    "The impostor",
    "The client connects to the impostor, who shows a certificate, reads the password, and passes"
    " everything on to the broker by a second TLS connection.",
    height=220,
)
def impostor(d: Diagram) -> None:
    client = d.program(70, 90, "client", width=96)
    thief = d.program(320, 90, "impostor", fill=PURPLE_TINT)
    broker = d.program(566, 90, "broker", width=96)
    d.arrow(client.right, thief.left)
    d.arrow(thief.right, broker.left)
    d.text(190, 70, "TLS, password", size=SMALL)
    d.text(448, 70, "TLS, password", size=SMALL)
    paper = d.paper(320, 170, "certificate", width=126, height=48)
    d.arrow(paper.left, (70, 170), client.bottom, answer=True)
    d.text(158, 190, "is this our broker?", size=SMALL, colour=RED_INK)
    d.text(320, 42, "reads the password", size=SMALL, colour=RED_INK)
