"""Chapter 5: RabbitMQ's exchanges, queues and acknowledgements."""

from __future__ import annotations

from .drawing import GREEN_INK, RED_INK, SMALL, WHITE, Diagram, diagram


@diagram(
    "Exchange, bindings, queues",
    "A producer publishes over a channel of its connection to an exchange. Bindings tie queues to"
    " the exchange, each with a key or a pattern, and the message is copied into each queue whose"
    " binding fits. Consumers read from queues.",
    height=470,
)
def exchange_binding_queue(d: Diagram) -> None:
    producer = d.program(320, 38, "producer")
    d.group(236, 70, 168, 46)
    d.note(226, 93, "connection", anchor="end")
    d.note(414, 93, "with channels")
    d.frame(16, 126, 608, 256, "RabbitMQ")
    orders = d.exchange(320, 178, "orders")
    d.note(390, 178, "exchange")
    d.line((282, 74), (282, 112), dashed=True)
    d.line((358, 74), (358, 112), dashed=True)
    d.arrow(producer.bottom, orders.top)
    places = (
        (150, "order.created", "email", ["", "", "m"]),
        (490, "order.*", "audit", ["", "", "m"]),
    )
    for x, key, service, contents in places:
        queue = d.queue(x - 51, 330, contents)
        side = -1 if x < 320 else 1
        d.arrow((320 + side * 30, 204), (x, queue.y - 2))
        d.note(x + side * 20, 246, f"binding\n{key}", anchor="middle")
        d.note(x - side * 62, 330, "queue", anchor="start" if side < 0 else "end")
        consumer = d.program(x, 436, service)
        d.arrow((x, 350), consumer.top)


@diagram(
    "Four types of exchange",
    "A message with the key order.created and the header priority 2. A direct exchange compares the"
    " key, a fanout gives to all, a topic exchange matches patterns, a headers exchange looks at the"
    " headers.",
    height=560,
)
def exchange_types(d: Diagram) -> None:
    d.text(20, 30, "message: key order.created, header priority = 2", anchor="start")
    rows = (
        ("direct", "order.created", "order.paid", False),
        ("fanout", "any key", "any key", True),
        ("topic", "order.*", "*.paid", False),
        ("headers", "priority = 2", "priority = 3", False),
    )
    for n, (kind, fits, other, both) in enumerate(rows):
        y = 112 + n * 126
        if n:
            d.line((20, y - 63), (620, y - 63))
        exchange = d.exchange(96, y, kind)
        for binding, hit, line in ((fits, True, y - 28), (other, both, y + 28)):
            queue = d.queue(270, line, ["", "m" if hit else ""], size=40)
            d.text(372, line, f"binding: {binding}", anchor="start")
            if hit:
                d.arrow(exchange.right, queue.left)
            else:
                d.line(exchange.right, queue.left, dashed=True)


@diagram(
    "The life of a message in a queue",
    "A message is ready, then delivered and unacknowledged, then acknowledged and gone. If the worker"
    " dies or the message is requeued, it is ready again, marked redelivered. If it is rejected, it"
    " becomes a dead letter or is dropped.",
    height=330,
)
def ack_and_redelivery(d: Diagram) -> None:
    d.frame(16, 16, 424, 298, "queue jobs")
    ready = d.program(92, 170, "ready", width=110, fill=WHITE)
    unacked = d.program(340, 170, "unacknow-\nledged", width=130, height=60, fill=WHITE)
    gone = d.program(556, 86, "gone", width=124, fill=WHITE)
    dead = d.program(556, 254, "dead letter", width=124, fill=WHITE)
    d.arrow((ready.right[0], 158), (unacked.x, 158))
    d.text(210, 140, "delivered", size=SMALL)
    d.arrow((340, 200), (340, 244), (92, 244), ready.bottom, answer=True)
    d.text(216, 274, "worker dies, or requeue:\nredelivered = true", size=SMALL, colour=RED_INK)
    d.arrow((unacked.right[0], 158), (480, 158), (480, 86), gone.left, answer=True)
    d.text(490, 130, "acknowledged", size=SMALL, colour=GREEN_INK, anchor="start")
    d.arrow((unacked.right[0], 182), (480, 182), (480, 254), dead.left, answer=True)
    d.text(490, 204, "rejected", size=SMALL, colour=RED_INK, anchor="start")


@diagram(
    "What a prefetch does",
    "With a prefetch of 1 each worker has one job in hand, the others wait where any worker can get"
    " them. With a prefetch of 100 all eight jobs are handed out at once, and the slow worker sits on its"
    " half.",
    height=440,
)
def prefetch(d: Diagram) -> None:
    panels = (
        ("prefetch 1", ["8", "7", "6", "5", "4", "3"], ["1"], ["2"]),
        ("prefetch 100", [""] * 6, ["7", "5", "3", "1"], ["8", "6", "4", "2"]),
    )
    for n, (name, waiting, fast, slow) in enumerate(panels):
        y = 116 + n * 216
        if n:
            d.line((20, y - 100), (620, y - 100))
        d.heading(20, y - 74, name)
        queue = d.queue(30, y, waiting)
        for label, hand, line in (("fast worker", fast, y - 38), ("slow worker", slow, y + 38)):
            worker = d.program(400, line, label, width=126)
            d.arrow(queue.right, worker.left)
            d.cells(478, line, hand)
    d.note(30, 160, "wait for whoever is free")
    d.text(612, 416, "wait for the slow one", size=SMALL, colour=RED_INK, anchor="end")


@diagram(
    "A dead letter",
    "A message that is rejected, expires, doesn't fit into a full queue or has been delivered too"
    " often goes to the dead-letter exchange of its queue, and from there to a queue where somebody"
    " looks at it.",
    height=370,
)
def dead_letter(d: Diagram) -> None:
    d.frame(16, 16, 410, 338, "RabbitMQ")
    jobs = d.queue(60, 112, ["4", "3", "2", "1"], "queue jobs")
    worker = d.program(540, 112, "worker", width=110)
    d.arrow((jobs.right[0], 104), (worker.x, 104))
    d.arrow((worker.x, 122), (jobs.right[0], 122), answer=True)
    d.text(484, 148, "rejects 1", size=SMALL, colour=RED_INK)
    exchange = d.exchange(128, 218, "dead")
    d.arrow((128, jobs.y + 36), exchange.top)
    d.note(146, 162, "rejected, expired, too\nmany, or too often")
    d.note(200, 218, "dead-letter exchange")
    letters = d.queue(60, 312, ["", "", "", "1"])
    d.arrow(exchange.bottom, (128, letters.y - 2))
    d.note(128 + 22, 272, "queue jobs.dead")
    d.arrow(letters.right, (512, 312))
    d.person(540, 302, "you")


@diagram(
    "A quorum queue on three nodes",
    "The publisher sends to the leader of the queue, which copies the message to its followers. It"
    " confirms as soon as a majority, 2 of 3, has written it. So one dead node is no loss.",
    height=340,
)
def quorum_queue(d: Diagram) -> None:
    publisher = d.program(70, 92, "publisher", width=108)
    leader = d.frame(214, 24, 190, 136, "node 1: leader")
    d.queue(252, 92, ["", "2", "1"])
    d.arrow((publisher.right[0], 82), (leader.x, 82))
    d.step(168, 58, 1)
    d.arrow((leader.x, 104), (publisher.right[0], 104), answer=True)
    d.step(168, 128, 3)
    d.text(70, 148, "confirm", size=SMALL)
    follower = d.frame(434, 188, 190, 136, "node 2")
    d.queue(472, 256, ["", "2", "1"])
    d.text(529, 300, "2 of 3 have it", size=SMALL, colour=GREEN_INK)
    dead = d.frame(24, 188, 190, 136, "node 3")
    d.queue(62, 256, ["", "", "1"])
    d.cross(214, 188)
    d.text(119, 300, "dead", size=SMALL, colour=RED_INK)
    d.arrow((leader.right[0], 92), (529, 92), follower.top)
    d.step(480, 68, 2)
    d.arrow((309, 160), (309, 256), dead.right, lost=True)
