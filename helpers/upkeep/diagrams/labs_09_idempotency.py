"""The lab on idempotency: where keys come from, and how an old message comes late."""

from __future__ import annotations

from .drawing import BLUE_INK, RED_INK, SMALL, Diagram, diagram


@diagram(
    "Where a key comes from",
    "A till sends the payment of an order through a topic to the payment service. The client's key is"
    " made at the till, the hash and the order's number are in the message, the place is in the topic."
    " The till may send again, and the broker may deliver again.",
    height=250,
)
def keys_of_a_message(d: Diagram) -> None:
    till = d.program(74, 130, "till", width=96)
    message = d.paper(248, 130, "order 4\n15.00", width=100, height=60)
    topic = d.log(370, 130, ["", "", "4"], offsets=False)
    payment = d.program(568, 130, "payment", width=112)
    d.arrow(till.right, message.left)
    d.arrow(message.right, topic.left)
    d.arrow(topic.right, payment.left)
    d.arrow(till.top, (74, 56), (248, 56), message.top)
    d.text(161, 34, "sends again", size=SMALL, colour=RED_INK)
    d.arrow((455, 113), (455, 56), (568, 56), payment.top)
    d.text(510, 34, "delivers again", size=SMALL, colour=RED_INK)
    for x, keys in ((74, "client's\nkey"), (248, "hash,\norder's number"), (421, "place")):
        d.text(x, 202, keys, size=SMALL, colour=BLUE_INK)


@diagram(
    "An old change comes late",
    "Two instances of a service at one queue. Instance A has change 1 in hand and stands still."
    " Instance B handles change 2. A is killed, before its write or after it, and the broker gives"
    " change 1 to B.",
    height=250,
)
def old_after_new(d: Diagram) -> None:
    a, b = (d.program(66, y, name, width=76) for y, name in ((74, "A"), (190, "B")))
    held = d.paper(190, 74, "change 1", width=106)
    newer = d.paper(300, 190, "change 2", width=106)
    late = d.paper(540, 190, "change 1", width=106)
    d.line(a.right, held.left)
    d.line(held.right, (362, 74))
    d.line(b.right, newer.left)
    d.line(newer.right, late.left)
    d.line(late.right, (622, 190))
    d.text(304, 94, "stands still", size=SMALL)
    d.cross(374, 74)
    d.text(374, 42, "killed", size=SMALL, colour=RED_INK)
    d.arrow((390, 74), (540, 74), late.top, answer=True)
    d.text(470, 60, "given out again", size=SMALL)
    d.text(118, 232, "time →", size=SMALL, anchor="start")
