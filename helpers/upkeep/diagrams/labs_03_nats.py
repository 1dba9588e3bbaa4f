"""The lab on NATS: passed on and forgotten, or kept by JetStream."""

from __future__ import annotations

from .drawing import RED_INK, SMALL, Diagram, diagram


@diagram(
    "NATS with JetStream and without",
    "Above, NATS alone: orders 1, 2 and 3 are passed on to email, which is subscribed; billing comes"
    " late and gets nothing. Below, with JetStream: the stream ORDERS keeps the orders, and a consumer is"
    " a bookmark in it, so that late billing starts at order 1.",
    height=430,
)
def nats_and_jetstream(d: Diagram) -> None:
    shop = d.program(56, 110, "shop", width=80)
    d.frame(130, 16, 330, 188, "NATS")
    d.text(295, 110, "subject: orders")
    d.arrow(shop.right, (212, 110))
    email = d.program(566, 66, "email")
    d.arrow((378, 110), email.left)
    d.cells(515, 112, ["1", "2", "3"])
    d.program(566, 160, "billing")
    d.text(448, 178, "nothing is kept", size=SMALL, colour=RED_INK, anchor="end")

    shop = d.program(56, 320, "shop", width=80)
    d.frame(130, 224, 330, 190, "NATS with JetStream")
    d.arrow(shop.right, (166, 320))
    log = d.log(172, 320, ["1", "2", "3", ""], first=1, size=56)
    d.note(172, 386, "stream ORDERS on orders")
    d.bookmark(log.x + 6, log.y - 4, "billing")
    d.bookmark(log.x + 3 * 56, log.y - 4, "email")
    d.arrow((396, 320), d.program(566, 280, "email").left)
    d.arrow((396, 320), d.program(566, 360, "billing").left)
