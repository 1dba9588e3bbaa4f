"""Chapter 3: a queue divides, publish/subscribe copies."""

from __future__ import annotations

from .drawing import RED_INK, SMALL, WHITE, Diagram, diagram


@diagram(
    "A queue, or publish/subscribe",
    "Above, a queue: three orders, and each goes to one of three workers. Below, publish/subscribe:"
    " email, analytics and CRM each get their own copy of all three orders.",
    height=470,
)
def queue_or_pubsub(d: Diagram) -> None:
    d.heading(20, 28, "A queue divides: each order to one worker")
    shop = d.program(68, 130, "shop", width=90)
    queue = d.queue(190, 130, ["3", "2", "1"], "one queue")
    d.arrow(shop.right, queue.left)
    for n, y in enumerate((74, 130, 186), start=1):
        worker = d.program(460, y, f"worker {n}")
        d.arrow(queue.right, worker.left)
        d.cells(530, y, [str(n)])

    d.line((20, 230), (620, 230))

    d.heading(20, 256, "Publish/subscribe copies: each order to all")
    shop = d.program(68, 370, "shop", width=90)
    broker = d.frame(178, 344, 104, 52)
    d.text(*broker.middle, "broker")
    d.arrow(shop.right, broker.left)
    for y, service in zip((314, 370, 426), ("email", "analytics", "CRM"), strict=True):
        program = d.program(460, y, service)
        d.arrow(broker.right, program.left)
        d.cells(530, y, ["1", "2", "3"], size=30)


@diagram(
    "Three workers at one queue",
    "Six orders wait in one queue of the broker; it deals them out in turn to three workers:"
    " 1 and 4, 2 and 5, 3 and 6.",
    height=264,
)
def one_queue_three_workers(d: Diagram) -> None:
    shop = d.program(66, 140, "shop", width=90)
    d.frame(140, 54, 266, 170, "RabbitMQ")
    queue = d.queue(172, 140, ["6", "5", "4", "3", "2", "1"], "jobs")
    d.arrow(shop.right, queue.left)
    d.note(172, 196, "last")
    d.note(376, 196, "first", anchor="end")
    for y, n in zip((60, 140, 220), (1, 2, 3), strict=True):
        worker = d.program(500, y, f"worker {n}", width=110)
        d.arrow(queue.right, worker.left)
        d.cells(562, y, [str(n), str(n + 3)], size=32)


@diagram(
    "A group of four at a topic of three partitions",
    "A Kafka topic has three partitions, each a log with offsets from 0. Workers 1, 2 and 3 of one"
    " consumer group own one partition each; worker 4 owns nothing and waits.",
    height=364,
)
def group_and_partitions(d: Diagram) -> None:
    d.frame(16, 16, 330, 332, "Kafka: topic jobs")
    d.group(410, 16, 214, 332, "one consumer group")
    partitions = (["2", "3", "6", "10", "11"], ["1", "7", "9", "12"], ["4", "5", "8"])
    for n, (orders, y) in enumerate(zip(partitions, (78, 154, 230), strict=True)):
        log = d.log(132, y, orders, f"partition {n}")
        worker = d.program(517, y, f"worker {n + 1}")
        d.arrow((log.right[0] + 4, y), worker.left)
    d.program(517, 306, "worker 4", fill=WHITE)
    d.text(396, 306, "idle", size=SMALL, colour=RED_INK, anchor="end")


@diagram(
    "A worker dies before it acknowledges",
    "Worker 1 handles orders 1 to 5 and acknowledges 1 to 3. It dies in the middle of order 6. The"
    " broker delivers everything from 4 on again, to worker 2: so 4 and 5 are handled twice.",
    height=400,
)
def crash_before_ack(d: Diagram) -> None:
    broker, first, second = 130, 340, 550
    d.program(broker, 38, "broker", width=130, fill=WHITE)
    d.program(first, 38, "worker 1", width=130)
    d.program(second, 38, "worker 2", width=130)
    d.line((broker, 60), (broker, 384), dashed=True)
    d.line((first, 60), (first, 224), dashed=True)
    d.line((second, 60), (second, 384), dashed=True)

    d.step(36, 108, 1)
    d.arrow((broker, 108), (first, 108))
    d.text(235, 92, "1  2  3  …  12")
    d.note(356, 108, "handles 1, 2, 3")
    d.step(36, 166, 2)
    d.arrow((first, 166), (broker, 166), answer=True)
    d.text(235, 150, "1 to 3 are done")
    d.note(356, 166, "handles 4, 5")
    d.step(36, 224, 3)
    d.cross(first, 224)
    d.text(235, 224, "no word on 4, 5", size=SMALL, colour=RED_INK)
    d.text(360, 224, "dies in order 6", size=SMALL, colour=RED_INK, anchor="start")

    d.step(36, 300, 4)
    d.arrow((broker, 300), (second, 300))
    d.text(340, 284, "4  5  6  …  12  again")
    d.step(36, 358, 5)
    d.arrow((second, 358), (broker, 358), answer=True)
    d.text(340, 342, "all done: 4 and 5 twice")


@diagram(
    "Copies in RabbitMQ and in Kafka",
    "RabbitMQ: a fanout exchange copies each order into the queues of email, analytics and CRM;"
    " billing, bound later, has an empty queue. Kafka: the topic keeps the orders once, each group"
    " has a bookmark in it, and late billing can still start at the beginning.",
    height=526,
)
def exchange_and_queues_copies(d: Diagram) -> None:
    shop = d.program(56, 130, "shop", width=80)
    d.frame(116, 16, 370, 290, "RabbitMQ")
    orders = d.exchange(204, 130, "orders", width=116)
    d.arrow(shop.right, orders.left)
    d.note(204, 174, "fanout", anchor="middle")
    for y, service in zip((64, 130, 196), ("email", "analytics", "CRM"), strict=True):
        queue = d.queue(352, y, ["3", "2", "1"])
        d.arrow(orders.right, queue.left)
        d.arrow(queue.right, d.program(566, y, service).left)
    late = d.queue(352, 262, ["", "", ""])
    d.arrow(late.right, d.program(566, 262, "billing").left)
    d.text(334, 262, "bound too late", size=SMALL, colour=RED_INK, anchor="end")

    shop = d.program(56, 432, "shop", width=80)
    d.frame(116, 326, 508, 184, "Kafka")
    d.arrow(shop.right, (142, 432))
    d.text(150, 432, "orders", anchor="start")
    log = d.log(228, 432, ["1", "2", "3", ""], size=84)
    d.bookmark(log.x + 6, log.y - 4, "billing")
    d.bookmark(log.x + 3 * 84, log.y - 4, "email, analytics, CRM")
    d.note(228, 490, "kept once, a bookmark for each group")
