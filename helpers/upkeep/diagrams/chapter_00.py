"""Chapter 0: how the course asks, and what the two brokers are."""

from __future__ import annotations

from itertools import pairwise

from .drawing import BLUE_TINT, GREY_INK, SMALL, WHITE, Diagram, diagram


@diagram(
    "The five steps of each claim",
    "A claim is one sentence. You predict, run the experiment on a live broker, see what happened,"
    " and get a verdict that shows your prediction beside the measurement.",
    height=224,
)
def course_loop(d: Diagram) -> None:
    steps = {
        "claim": "what\npeople say",
        "predict": "your\nnumbers",
        "run": "on a live\nbroker",
        "see": "what it\nreported",
        "verdict": "does it\nhold?",
    }
    boxes = []
    for n, (name, what) in enumerate(steps.items()):
        x = 72 + n * 124
        fill = WHITE if name == "claim" else BLUE_TINT
        boxes.append(d.program(x, 78, name, width=94, fill=fill))
        d.text(x, 130, what, size=SMALL, colour=GREY_INK)
        d.step(x, 32, n + 1)
    for one, other in pairwise(boxes):
        d.arrow(one.right, other.left)
    d.arrow((196, 164), (196, 200), (568, 200), (568, 162), answer=True)
    d.text(382, 182, "side by side on the card", size=SMALL)


@diagram(
    "Two brokers, two memories",
    "RabbitMQ hands a message to one reader, who acknowledges it, and the queue is empty."
    " Kafka appends the message to a log; two readers read it at offset 0, and it stays.",
    height=420,
)
def two_brokers(d: Diagram) -> None:
    d.frame(126, 16, 320, 180, "RabbitMQ")
    you = d.program(60, 88, "you", width=80)
    queue = d.queue(264, 88, ["", "", "m"])
    reader = d.program(556, 88, "reader")
    d.arrow(you.right, queue.left)
    d.arrow((queue.right[0], 80), (reader.x, 80))
    d.arrow((reader.x, 100), (queue.right[0], 100), answer=True)
    d.note(492, 128, "acknowledges")
    after = d.queue(264, 162, ["", "", ""])
    d.note(after.x - 8, 162, "then: 0 left", anchor="end")

    d.frame(126, 220, 320, 184, "Kafka")
    you = d.program(60, 296, "you", width=80)
    log = d.log(240, 296, ["m", "", ""])
    d.arrow(you.right, (log.x - 6, 296))
    for y in (262, 346):
        reader = d.program(556, y, "reader")
        d.arrow((log.x + 17, 278 if y < 296 else 336), (log.x + 17, y), reader.left)
    d.note(146, 378, "then: 1 left, at offset 0")
