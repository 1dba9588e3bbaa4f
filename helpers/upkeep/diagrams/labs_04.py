"""The labs of chapter 4: what goes on behind Kafka's log, and what is built on it."""

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
    "Read, process, write in one transaction",
    "The till reads orders and puts two things into one transaction: the receipts, and the offset up"
    " to which it has read. A reader that takes only what is committed sees both or neither. The card"
    " that it charges is outside the transaction.",
    height=400,
)
def exactly_once_transaction(d: Diagram) -> None:
    orders = d.log(24, 120, ["1", "2", "3", "4"], offsets=False)
    d.text(92, 88, "topic orders", size=SMALL)
    till = d.program(250, 120, "till", width=84)
    d.arrow((orders.right[0] + 4, 120), till.left)
    d.step(184, 94, 1)
    d.group(346, 16, 278, 232, "one transaction")
    receipts = d.log(384, 104, ["1", "2", "3", "c"], offsets=False, fills=[MESSAGE] * 3 + [OTHER])
    d.text(452, 72, "topic receipts", size=SMALL)
    offsets = d.log(384, 196, ["3", "c"], offsets=False, fills=[MESSAGE, OTHER])
    d.text(384, 164, "the group's offset", size=SMALL, anchor="start")
    d.arrow(till.right, (receipts.x - 4, 104))
    d.arrow(till.right, (offsets.x - 4, 196))
    d.step(330, 84, 2)
    d.step(320, 190, 3)
    d.text(524, 232, "c: commit", size=SMALL, colour=BLUE_INK)
    reader = d.program(452, 330, "read_committed", width=170)
    d.arrow((452, 248), reader.top)
    d.text(452, 372, "sees both or neither", size=SMALL, colour=GREEN_INK)
    card = d.database(120, 330, "cards", width=100)
    d.arrow((236, 142), (150, card.y))
    d.text(120, 380, "not in it", size=SMALL, colour=RED_INK)


@diagram(
    "Eager and cooperative rebalances",
    "Worker C joins a group of A and B. Eager: every partition is taken away from everybody, and for a"
    " while nobody reads any. Cooperative: only partition 1, which moves to C, stands still.",
    height=484,
)
def rebalance_eager_cooperative(d: Diagram) -> None:
    owners = (("A", "A"), ("A", "C"), ("B", "B"))
    for panel, (name, still) in enumerate((("Eager", (0, 1, 2)), ("Cooperative", (1,)))):
        top = 30 + panel * 240
        if panel:
            d.line((20, top - 30), (620, top - 30))
        what = "all stand still" if panel == 0 else "only what moves stands still"
        d.heading(20, top, f"{name}: {what}")
        for partition, (before, after) in enumerate(owners):
            y = top + 46 + partition * 52
            d.note(20, y, f"partition {partition}")
            if partition in still:
                d.cells(140, y, [before], size=190, height=38, fills=[OTHER])
                d.cells(330, y, ["nobody"], size=100, height=38, fills=[WHITE])
                d.cells(
                    430, y, [after], size=180, height=38, fills=[MESSAGE if after == "C" else OTHER]
                )
            else:
                d.cells(140, y, [before], size=470, height=38, fills=[OTHER])
    d.text(330, 214, "C joins", size=SMALL, colour=BLUE_INK)
    d.text(330, 454, "C joins", size=SMALL, colour=BLUE_INK)
    d.arrow((550, 454), (612, 454))
    d.note(540, 454, "time", anchor="end")


@diagram(
    "Segments, retention, compaction",
    "A partition is stored in segments. Retention deletes the oldest segment as a whole. Compaction"
    " keeps the last record of each key, at its old offset: of A, B, A, C, B, A the last three.",
    height=440,
)
def log_segments_compaction(d: Diagram) -> None:
    size = 52
    d.heading(20, 30, "Retention: the oldest segment goes")
    for n, (label, lost) in enumerate(
        (("segment", True), ("segment", False), ("active segment", False))
    ):
        x = 40 + n * 192
        d.log(x, 104, ["", "", ""], size=size, first=3 * n, fills=[WHITE if lost else MESSAGE] * 3)
        d.text(x + 78, 66, label, size=SMALL)
        if lost:
            d.cross(x + 78, 104)
    d.text(118, 158, "too old: deleted", size=SMALL, colour=RED_INK)
    d.line((20, 190), (620, 190))
    d.heading(20, 220, "Compaction: the last of each key stays")
    x, keys = 150, ["A", "B", "A", "C", "B", "A"]
    d.log(x, 276, keys, "before", size=size, fills=[WHITE] * 3 + [OTHER] * 3)
    for n, key in enumerate(keys):
        if n > 2:
            d.arrow((x + (n + 0.5) * size, 318), (x + (n + 0.5) * size, 350))
            d.cells(x + n * size, 370, [key], size=size, fills=[OTHER])
            d.note(x + (n + 0.5) * size, 398, str(n), anchor="middle")
    d.text(x - 10, 370, "after", size=SMALL, anchor="end")
    d.text(x + 6 * size + 16, 370, "offsets stay", size=SMALL, colour=BLUE_INK, anchor="start")


@diagram(
    "A share group",
    "Three workers of a share group take records from one and the same partition. Each record is"
    " acquired by one of them, who accepts it, releases it or rejects it. A released record goes to"
    " whoever asks next.",
    height=374,
)
def share_group(d: Diagram) -> None:
    d.frame(16, 16, 608, 120, "Kafka: topic jobs, one partition")
    size, x = 60, 70
    d.log(
        x,
        80,
        ["1", "2", "3", "4", "5", "6", "", ""],
        size=size,
        fills=[OTHER] * 3 + [MESSAGE] * 3 + [WHITE] * 2,
    )
    d.group(16, 190, 608, 168)
    d.text(320, 338, "one share group", size=SMALL, colour=BLUE_INK)
    words = (("accept", GREEN_INK), ("release", BLUE_INK), ("reject", RED_INK))
    for n, (word, colour) in enumerate(words):
        cx = 120 + n * 200
        worker = d.program(cx, 254, f"worker {n + 1}")
        d.arrow((x + (n + 0.5) * size, 122), worker.top)
        d.text(cx, 304, f"{n + 1}: {word}", size=SMALL, colour=colour)


@diagram(
    "An advertised listener that leads nowhere",
    "The client asks the address that it was given, and the broker answers with the address that it"
    " advertises. From then on the client uses only that one. If it can't reach it, it waits for"
    " ever.",
    height=360,
)
def advertised_listeners(d: Diagram) -> None:
    client = d.program(90, 180, "client", height=260)
    broker = d.frame(400, 30, 224, 130, "node 1, Kafka")
    d.note(418, 92, "advertises\nkafka-1:9092")
    d.arrow((client.right[0], 64), (broker.x, 64))
    d.step(174, 44, 1)
    d.text(272, 46, "localhost:9092", size=SMALL)
    d.arrow((broker.x, 128), (client.right[0], 128), answer=True)
    d.step(174, 108, 2)
    d.text(272, 110, "“I'm kafka-1:9092”", size=SMALL)
    nowhere = d.program(512, 250, "kafka-1:9092", width=150, dead=True)
    d.arrow((client.right[0], 250), nowhere.left, lost=True)
    d.step(174, 228, 3)
    d.text(512, 296, "no such name here", size=SMALL, colour=RED_INK)
    d.text(164, 334, "advertise what your clients can reach", colour=GREEN_INK, anchor="start")


@diagram(
    "Change data capture",
    "A service changes rows in its database, which writes every change to its own log. A connector"
    " follows that log and sends each change to a topic, for others to read. The service knows"
    " nothing of it.",
    height=300,
)
def cdc(d: Diagram) -> None:
    service = d.program(70, 90, "service", width=100)
    d.frame(160, 16, 220, 268, "database")
    table = d.database(270, 90, "orders", width=130)
    d.arrow(service.right, table.left)
    d.step(142, 66, 1)
    log = d.log(206, 214, ["ins", "ins", "upd"], offsets=False, size=46)
    d.arrow(table.bottom, (270, log.y - 2))
    d.step(296, 158, 2)
    d.note(270, 252, "its own log", anchor="middle")
    connector = d.program(480, 214, "connector", width=116)
    d.arrow((log.right[0] + 4, 214), connector.left)
    d.step(400, 190, 3)
    d.frame(410, 30, 214, 110, "Kafka")
    d.log(440, 92, ["ins", "ins", "upd"], offsets=False, size=46)
    d.arrow(connector.top, (480, 140))
    d.step(506, 166, 4)
    d.note(480, 258, "follows the log", anchor="middle")


@diagram(
    "A stream and its table",
    "A stream of records, read from left to right, makes a table: the last value of each key, here"
    " how often each item was sold. Each change of the table is a record of another stream.",
    height=400,
)
def stream_table(d: Diagram) -> None:
    d.text(120, 54, "sales", size=SMALL, anchor="end")
    sales = d.log(132, 54, ["pen", "ink", "pen", "pad", "pen"], size=60, offsets=False)
    program = d.program(320, 150, "count by item", width=160)
    d.arrow((282, sales.y + 38), (282, 126))
    for n, (item, count) in enumerate((("pen", "3"), ("ink", "1"), ("pad", "1"))):
        d.cells(60, 208 + n * 34, [item, count], size=60, fills=[WHITE, OTHER])
    d.arrow(program.left, (120, 150), (120, 189))
    d.text(194, 242, "the table:\nlast value of each key", size=SMALL, anchor="start")
    totals = ["pen 1", "ink 1", "pen 2", "pad 1", "pen 3"]
    log = d.log(132, 352, totals, size=84, offsets=False, fills=[OTHER] * 5)
    d.text(120, 352, "totals", size=SMALL, anchor="end")
    d.arrow(program.right, (520, 150), (520, log.y - 4))
    d.note(508, 300, "every change", anchor="end")
