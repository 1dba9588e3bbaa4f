"""The labs of chapter 5: what a publisher, a queue and a caller can ask of RabbitMQ."""

from __future__ import annotations

from .drawing import (
    BLUE_INK,
    GREEN_INK,
    MESSAGE,
    OTHER,
    RED_INK,
    SMALL,
    WHITE,
    Diagram,
    diagram,
)


@diagram(
    "A ladder of retries",
    "An order that failed is published to a waiting queue. There it expires after 1 second and goes"
    " back to the jobs; next time it waits 10 seconds, then 60. What still fails goes to the parking"
    " lot, where a person looks.",
    height=440,
)
def retry_ladder(d: Diagram) -> None:
    d.frame(150, 16, 300, 408, "RabbitMQ")
    jobs = d.queue(230, 90, ["3", "2", "1"], "jobs")
    worker = d.program(554, 90, "worker")
    d.arrow(jobs.right, worker.left)
    rungs = ((168, "wait 1 s"), (234, "wait 10 s"), (300, "wait 60 s"))
    for y, name in rungs:
        rung = d.queue(230, y, ["", "", ""])
        d.text(356, y, name, size=SMALL, anchor="start")
        d.arrow((554, y), (456, y))
        d.line(rung.left, (180, y))
    parking = d.queue(230, 378, ["", "", ""])
    d.text(356, 378, "parking", size=SMALL, anchor="start")
    d.line((554, 112), (554, 378))
    d.arrow((554, 378), (456, 378))
    d.arrow((180, 300), (180, 90), jobs.left, answer=True)
    d.text(138, 234, "expired:\ntry again", size=SMALL, colour=BLUE_INK, anchor="end")
    d.text(568, 234, "failed", size=SMALL, colour=RED_INK, anchor="start")
    d.person(80, 368, "you")
    d.arrow(parking.left, (104, 378))


@diagram(
    "Publisher confirms and their window",
    "The publisher numbers its messages. 1 to 3 are confirmed, by one answer with the flag multiple; 4"
    " to 7 are pending and fill its window of 4; 8 has to wait until the next confirm.",
    height=330,
)
def publisher_confirms(d: Diagram) -> None:
    size, x = 62, 60
    fills = [OTHER] * 3 + [MESSAGE] * 4 + [WHITE]
    d.cells(x, 70, [str(n) for n in range(1, 9)], size=size, height=40, fills=fills)
    d.text(x + 1.5 * size, 30, "confirmed", size=SMALL, colour=BLUE_INK)
    d.text(x + 5 * size, 30, "window: 4 pending", size=SMALL)
    d.text(x + 7.5 * size, 112, "waits", size=SMALL, colour=RED_INK)
    d.line((x + 3 * size, 98), (x + 3 * size, 110), (x + 7 * size, 110), (x + 7 * size, 98))
    publisher = d.program(94, 220, "publisher", width=120, height=90)
    broker = d.frame(456, 160, 168, 130, "RabbitMQ")
    d.arrow((publisher.right[0], 200), (broker.x, 200))
    d.text(300, 182, "4  5  6  7", size=SMALL)
    d.arrow((broker.x, 244), (publisher.right[0], 244), answer=True)
    d.text(300, 266, "ack 3, multiple: 1 to 3", size=SMALL)
    d.queue(490, 230, ["3", "2", "1"])


@diagram(
    "A stream in RabbitMQ",
    "A stream is a queue that keeps what was read. Each reader says at which offset it begins: the"
    " first, a number, or what comes next. Only age and size make it forget.",
    height=300,
)
def stream_queue(d: Diagram) -> None:
    size, x = 52, 176
    publisher = d.program(320, 262, "publisher")
    d.frame(16, 96, 608, 116, "RabbitMQ")
    log = d.log(x, 160, [str(n) for n in range(1, 8)], "stream", size=size, fills=[MESSAGE] * 7)
    d.arrow(publisher.right, (592, 262), (592, 160), (log.right[0] + 4, 160))
    for offset, label in ((0, "first"), (3, "offset 3"), (7, "next")):
        px = x + offset * size + (4 if offset == 0 else 0)
        reader = d.program(px if offset else px - 20, 40, label, width=110)
        d.arrow((px, log.y - 2), (px, reader.y + 44))
    d.text(568, 184, "new", size=SMALL, colour=GREEN_INK)


@diagram(
    "The broker stops reading",
    "The broker is short of memory or disk, so it stops reading from whoever publishes, and says so"
    " once. The publisher's bytes stay in the socket, and it hangs. Consumers are still served; when"
    " there is room again, it reads on.",
    height=310,
)
def flow_control(d: Diagram) -> None:
    publisher = d.program(80, 120, "publisher", width=120)
    d.text(80, 164, "hangs", size=SMALL, colour=RED_INK)
    d.frame(294, 30, 170, 190, "RabbitMQ")
    d.group(176, 66, 94, 108, "socket")
    d.cells(190, 120, ["m", "m"], size=33)
    d.arrow(publisher.right, (188, 120))
    d.arrow((258, 120), (292, 120), lost=True)
    queue = d.queue(330, 120, ["m", "m", "m"])
    d.text(379, 180, "alarm:\nmemory or disk", size=SMALL, colour=RED_INK)
    consumer = d.program(560, 120, "consumer", width=112)
    d.arrow(queue.right, consumer.left)
    d.text(548, 164, "is still served", size=SMALL, colour=GREEN_INK)
    d.arrow((379, 220), (379, 262), (80, 262), (80, 178), answer=True)
    d.text(230, 244, "“blocked”, said once", size=SMALL)
    d.text(400, 262, "not refused: waiting", size=SMALL, anchor="start")


@diagram(
    "A call over two queues",
    "The caller sends order 1 with reply_to, where it awaits the answer, and a correlation id. The till"
    " answers to that queue and copies the id, so the caller knows what it is an answer to.",
    height=320,
)
def rpc_reply_to(d: Diagram) -> None:
    caller = d.program(80, 160, "caller", width=116, height=190)
    d.frame(214, 16, 212, 288, "RabbitMQ")
    calls = d.queue(270, 100, ["", "", "1"], "calls")
    replies = d.queue(270, 230, ["1", "", ""], "replies")
    till = d.program(560, 160, "till", width=116, height=190)
    d.arrow((caller.right[0], 100), calls.left)
    d.step(176, 76, 1)
    d.arrow(calls.right, (till.x, 100))
    d.step(464, 76, 2)
    d.arrow((till.x, 230), replies.right)
    d.step(464, 206, 3)
    d.arrow(replies.left, (caller.right[0], 230))
    d.step(176, 206, 4)
    d.text(320, 146, "reply_to: replies\ncorrelation_id: 7", size=SMALL, colour=BLUE_INK)
    d.text(320, 276, "correlation_id: 7", size=SMALL, colour=BLUE_INK)
