"""The project on a migration: two brokers, two bridges, and who books."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "A migration",
    "The relay takes orders from the shop's outbox to RabbitMQ, from step 4 on to Kafka. From RabbitMQ"
    " the old consumer books into the ledger; from Kafka the new one, into the shadow from step 2 on,"
    " and into the ledger too from step 3 on. Between the brokers two bridges run both ways, at steps 1"
    " to 4.",
    height=400,
)
def migration(d: Diagram) -> None:
    outbox = d.database(64, 200, "outbox", width=92)
    relay = d.program(178, 200, "relay", width=76)
    d.arrow(outbox.right, relay.left)
    exchange = d.exchange(290, 66, "RabbitMQ", width=124)
    topic = d.log(239, 334, ["", "", ""], offsets=False)
    d.text(290, 374, "Kafka", size=SMALL)
    d.arrow(relay.top, (178, 66), exchange.left)
    d.arrow(relay.bottom, (178, 334), topic.left, answer=True)
    d.text(170, 122, "0–3", size=SMALL, colour=BLUE_INK, anchor="end")
    d.text(170, 280, "4–5", size=SMALL, colour=BLUE_INK, anchor="end")
    there = d.program(280, 200, "bridge", width=76)
    back = d.program(368, 200, "bridge", width=76)
    d.arrow((280, 92), there.top)
    d.arrow(there.bottom, (280, 317))
    d.arrow((320, 317), (368, 268), back.bottom)
    d.arrow(back.top, (368, 130), (320, 92))
    d.text(414, 200, "1–4", size=SMALL, colour=BLUE_INK, anchor="start")
    old = d.program(466, 66, "old\nconsumer", width=104, height=54)
    new = d.program(466, 334, "new\nconsumer", width=104, height=54)
    ledger = d.database(582, 128, "ledger", width=92)
    shadow = d.database(582, 282, "shadow", width=92)
    d.arrow(exchange.right, old.left)
    d.arrow(topic.right, new.left)
    d.arrow(old.right, (582, 66), ledger.top)
    d.arrow(new.right, (582, 334), shadow.bottom)
    d.arrow(shadow.top, ledger.bottom, answer=True)
    d.text(466, 24, "0–4", size=SMALL, colour=BLUE_INK)
    d.text(466, 380, "2–5", size=SMALL, colour=BLUE_INK)
    d.text(572, 204, "3–5", size=SMALL, colour=BLUE_INK, anchor="end")
