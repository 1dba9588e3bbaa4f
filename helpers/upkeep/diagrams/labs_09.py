"""The labs of chapter 9: what message patterns promise, and what they need for it."""

from __future__ import annotations

from itertools import pairwise

from .drawing import (
    BLUE_INK,
    GREEN_INK,
    OTHER,
    RED_INK,
    SMALL,
    WHITE,
    Diagram,
    diagram,
)


@diagram(
    "Ten places to die",
    "Three rows of steps. Commit first: work, commit, publish, end. Publish first: work, publish,"
    " commit, end. Outbox: work, commit, publish, strike out, end. A dashed frame holds the steps of"
    " the database's transaction; crosses mark the ten places where the service is killed.",
    height=370,
)
def outbox_crash_points(d: Diagram) -> None:
    ways = (
        ("Commit first", ("work", "commit", "publish", "end"), (0, 1, 3), 2),
        ("Publish first", ("work", "publish", "commit", "end"), (0, 1, 3), 3),
        ("Outbox", ("work", "commit", "publish", "strike out", "end"), (0, 1, 2, 4), 2),
    )
    for row, (name, steps, deaths, within) in enumerate(ways):
        y = 84 + 114 * row
        d.heading(20, y - 58, name)
        d.group(14, y - 36, 122 * within + 4, 72)
        boxes = [d.program(74 + 122 * n, y, step, width=96) for n, step in enumerate(steps)]
        for before, after in pairwise(boxes):
            d.arrow(before.right, after.left)
        for n in deaths:
            d.cross(boxes[n].right[0] + 10, y + 24)
    d.text(540, 26, "✗ killed after it", size=SMALL, colour=RED_INK)
    d.text(540, 52, "dashed: transaction", size=SMALL, colour=BLUE_INK)


@diagram(
    "Topics of retries, and the dead letters",
    "A record that fails in the topic of changes is sent to a topic of retries with a pause of 0.1"
    " seconds, then to one with 0.2 seconds, and last to the dead letters. Meanwhile the topic of"
    " changes flows on.",
    height=430,
)
def retry_topics(d: Diagram) -> None:
    d.frame(16, 16, 270, 398, "Kafka")
    steps = (("changes", 76), ("retry after 0.1 s", 166), ("retry after 0.2 s", 256))
    for n, (name, y) in enumerate(steps):
        contents = ["a1", "b1", "b2", "c1"] if not n else ["b2", "", "", ""]
        fills = [OTHER] * 4 if not n else [OTHER, *[WHITE] * 3]
        log = d.log(60, y, contents, size=44, offsets=False, fills=fills)
        d.text(60, y + 34, name, size=SMALL, anchor="start")
        book = d.program(430, y, "address book", width=140)
        d.arrow((286, y), book.left)
        d.text(516, y, "noted", size=SMALL, colour=GREEN_INK, anchor="start")
        low, x = y + 45, log.right[0] + 26
        d.arrow((430, y + 22), (430, low), (x, low), (x, y + 90), (x - 22, y + 90))
        d.text(444, y + 36, "failed", size=SMALL, colour=RED_INK, anchor="start")
    d.log(60, 346, ["b2", "", "", ""], size=44, offsets=False, fills=[OTHER, *[WHITE] * 3])
    d.text(60, 380, "dead letters", size=SMALL, anchor="start")
    d.person(430, 372, "you")
    d.arrow((286, 372), (406, 372))


@diagram(
    "The way there and the way back",
    "The way there: reserve stock, charge the card, ship the parcel, confirmed. From each step a way"
    " leads back: after a refusal to the undo of the step before, after no answer to the step's own undo."
    " It ends with the order cancelled.",
    height=350,
)
def saga_ways(d: Diagram) -> None:
    d.text(20, 28, "the way there", size=SMALL, colour=GREEN_INK, anchor="start")
    d.text(20, 322, "the way back", size=SMALL, colour=BLUE_INK, anchor="start")
    reserve, charge, ship = (
        d.paper(x, 90, label, width=104, height=60)
        for x, label in ((82, "reserve\nstock"), (242, "charge\ncard"), (402, "ship\nparcel"))
    )
    confirmed = d.paper(556, 90, "confirmed", width=120)
    d.arrow(reserve.right, charge.left)
    d.arrow(charge.right, ship.left)
    d.arrow(ship.right, confirmed.left)
    cancelled = d.paper(82, 256, "cancelled", width=116)
    release = d.paper(242, 256, "release\nstock", width=104, height=60)
    refund = d.paper(402, 256, "refund\ncard", width=104, height=60)
    d.arrow(refund.left, release.right)
    d.arrow(release.left, cancelled.right)
    d.arrow(reserve.bottom, cancelled.top)
    d.text(72, 172, "none", size=SMALL, colour=RED_INK, anchor="end")
    d.arrow((222, 120), (222, release.y))
    d.text(212, 172, "refused", size=SMALL, colour=RED_INK, anchor="end")
    d.arrow((264, 120), (378, refund.y), answer=True)
    d.text(274, 192, "no answer", size=SMALL, colour=RED_INK)
    d.arrow((418, 120), (418, refund.y))
    d.text(430, 172, "refused", size=SMALL, colour=RED_INK, anchor="start")


@diagram(
    "Two ways to listen in",
    "Two ways to listen in. Above, the tap is one more consumer at the queue of packing. Below, it"
    " has a queue of its own at the exchange.",
    height=400,
)
def two_taps(d: Diagram) -> None:
    for top, title in ((14, "at the same queue"), (206, "at a queue of its own")):
        d.frame(14, top, 612, 180, title)
        orders = d.paper(84, top + 106, "orders", width=96)
        if top == 14:
            queue = d.queue(334, top + 106, ["3", "2", "1"], "packing's queue")
            d.arrow(orders.right, queue.left)
        else:
            exchange = d.exchange(214, top + 106, "exchange", width=116)
            d.arrow(orders.right, exchange.left)
        for y, name in ((top + 66, "packing"), (top + 142, "tap")):
            program = d.program(552, y, name, width=100)
            if top == 206:
                queue = d.queue(334, y, ["3", "2", "1"], f"{name}'s queue")
                d.arrow(exchange.right, queue.left)
            d.arrow(queue.right, program.left)


@diagram(
    "A bridge",
    "A bridge takes orders from a queue of RabbitMQ, sends them to a topic of Kafka, and acknowledges"
    " them to RabbitMQ. Kafka answers to each order. No step covers both brokers.",
    height=190,
)
def bridge(d: Diagram) -> None:
    d.frame(14, 20, 150, 150, "RabbitMQ")
    queue = d.queue(29, 96, ["8", "7", "6"], size=40)
    middle = d.program(330, 96, "bridge", width=96, height=84)
    d.frame(476, 20, 150, 150, "Kafka")
    log = d.log(494, 86, ["4", "5", "6"], size=40, first=3)
    d.arrow((queue.right[0], 76), (middle.x, 76))
    d.arrow((middle.x, 116), (queue.right[0], 116), answer=True)
    d.arrow((middle.x + 96, 76), (log.x, 76))
    d.arrow((log.x, 116), (middle.x + 96, 116), answer=True)
    d.text(222, 56, "take", size=SMALL)
    d.text(222, 140, "acknowledge", size=SMALL, colour=BLUE_INK)
    d.text(427, 56, "send", size=SMALL)
    d.text(427, 140, "I have it", size=SMALL, colour=BLUE_INK)


@diagram(
    "What an urgent message can't overtake",
    "A worker is busy with order 1 and has orders 2 to 5 in hand. In the queue, the urgent order has"
    " overtaken 6, 7 and 8: it is the next to be sent to the worker.",
    height=220,
)
def priority_and_prefetch(d: Diagram) -> None:
    fills = [WHITE, WHITE, WHITE, OTHER]
    queue = d.cells(40, 110, ["8", "7", "6", "!"], size=44, height=44, fills=fills)
    for edge in (queue.y, queue.y + queue.height):
        d.line((queue.x - 8, edge), (queue.right[0] + 8, edge))
    d.text(queue.middle[0], 62, "in the queue, by priority", size=SMALL)
    d.text(194, 158, "urgent", size=SMALL, colour=RED_INK)
    d.frame(316, 40, 310, 150, "worker")
    hand = d.cells(340, 110, ["5", "4", "3", "2"], size=44, height=44)
    d.text(hand.middle[0], 158, "in hand: as they came", size=SMALL)
    busy = d.program(574, 110, "1", width=64)
    d.text(574, 158, "at work", size=SMALL)
    d.arrow(queue.right, (hand.x, 110))
    d.arrow(hand.right, busy.left)
