"""Chapter 4: Kafka's log, its groups, its copies."""

from __future__ import annotations

from .drawing import (
    GREEN_INK,
    INK,
    MESSAGE,
    OTHER,
    RED_INK,
    SMALL,
    WHITE,
    Diagram,
    diagram,
)


@diagram(
    "A topic, its partitions, their offsets",
    "The topic orders has three partitions. Each is a log: records are appended at its right end and"
    " numbered by offsets 0, 1, 2 … of their own. Reading takes nothing away.",
    height=320,
)
def topic_partitions_offsets(d: Diagram) -> None:
    d.frame(140, 16, 484, 252, "Kafka: topic orders")
    producer = d.program(68, 142, "producer", width=104)
    for n, (count, y) in enumerate(zip((7, 4, 6), (72, 142, 212), strict=True)):
        log = d.log(266, y, [""] * count, f"partition {n}", fills=[MESSAGE] * count)
        d.arrow((log.right[0] + 62, y), (log.right[0] + 2, y))
    d.arrow(producer.right, (140, 142))
    d.note(592, 142, "append", anchor="end")
    d.note(266, 290, "oldest")
    d.note(500, 290, "newest", anchor="end")
    d.line((334, 290), (430, 290))


@diagram(
    "The key chooses the partition",
    "The producer hashes the record's key and takes the remainder by the number of partitions, here"
    " 3. All records of ada go to partition 2 and stay in order; eve shares it with her.",
    height=304,
)
def key_to_partition(d: Diagram) -> None:
    d.text(54, 30, "keys", size=SMALL)
    for n, key in enumerate(("ada", "bob", "ada", "ben", "eve", "ada")):
        d.cells(24, 64 + n * 38, [key], size=60, fills=[OTHER if key == "ada" else MESSAGE])
    producer = d.program(196, 159, "producer:\nhash of key\nmod 3", width=130, height=84)
    d.arrow((92, 159), producer.left)
    d.frame(320, 16, 304, 272, "Kafka: topic orders")
    partitions = (["bob"], ["ben"], ["ada", "ada", "eve", "ada"])
    for n, (keys, y) in enumerate(zip(partitions, (76, 159, 242), strict=True)):
        fills = [OTHER if key == "ada" else MESSAGE for key in keys]
        d.log(392, y, keys, size=52, fills=fills)
        d.text(362, y, str(n), bold=True)
        d.arrow(producer.right, (340, y))


@diagram(
    "Where a group stands in a partition",
    "The group has committed offset 3: records 0 to 2 are done. Its consumer will fetch offset 6"
    " next, its position. The log ends at offset 9. The lag is end minus committed, 6 records.",
    height=300,
)
def consumer_group_offsets(d: Diagram) -> None:
    size, x = 54, 50
    fills = [OTHER] * 3 + [MESSAGE] * 3 + [WHITE] * 3
    log = d.log(x, 150, [""] * 9, size=size, fills=fills)
    d.bookmark(x + 3 * size, log.y - 6, "committed\n3")
    d.bookmark(x + 6 * size, log.y - 6, "position\n6")
    d.bookmark(x + 9 * size, log.y - 6, "end\n9")
    for n, what in enumerate(("done", "in hand", "not fetched")):
        d.text(x + (3 * n + 1.5) * size, 210, what, size=SMALL)
    d.line((x + 3 * size, 236), (x + 3 * size, 248), (x + 9 * size, 248), (x + 9 * size, 236))
    d.text(x + 6 * size, 268, "lag: 9 − 3 = 6 records")
    d.heading(20, 32, "partition 0, group billing")


@diagram(
    "In-sync replicas and the high watermark",
    "Node 1 leads the partition and has records 0 to 5. Node 2 is in sync and has 0 to 4. Node 3 has"
    " fallen behind and is not in sync. The high watermark, 5, is what every in-sync replica has:"
    " consumers read up to it.",
    height=366,
)
def replicas_isr_high_watermark(d: Diagram) -> None:
    x, size = 190, 54
    d.group(16, 56, 608, 176, "")
    d.text(608, 76, "in sync (ISR)", size=SMALL, colour=GREEN_INK, anchor="end")
    rows = (("node 1\nleader", 6, 116), ("node 2\nfollower", 5, 190), ("node 3\nfollower", 2, 290))
    for label, count, y in rows:
        d.program(82, y, label, width=110, height=56)
        fills = [OTHER if n < 5 else MESSAGE for n in range(count)]
        d.log(x, y, [str(n) for n in range(count)], size=size, fills=fills, offsets=False)
    d.arrow((x + 7.4 * size, 128), (x + 7.4 * size, 178))
    d.note(x + 7.2 * size, 153, "fetch", anchor="end")
    d.text(
        x + 2 * size + 14, 290, "behind:\nnot in sync", size=SMALL, colour=RED_INK, anchor="start"
    )
    watermark = x + 5 * size
    d.line((watermark, 44), (watermark, 330), colour=INK, dashed=True)
    d.text(watermark, 28, "high watermark 5", bold=True)
    d.note(watermark - 10, 340, "consumers read 0 to 4", anchor="end")


@diagram(
    "Three values of acks",
    "acks=0: the producer goes on without an answer. acks=1: the leader answers when it has the"
    " record. acks=all: the leader answers when every in-sync replica has it.",
    height=420,
)
def acks(d: Diagram) -> None:
    rows = (("acks=0", 0), ("acks=1", 1), ("acks=all", 2))
    for n, (name, copies) in enumerate(rows):
        y = 86 + n * 134
        d.heading(20, y - 56, name)
        if n:
            d.line((20, y - 78), (620, y - 78))
        producer = d.program(78, y, "producer", width=110)
        leader = d.program(330, y, "leader", width=100)
        follower = d.program(540, y, "follower", width=110)
        d.arrow((producer.right[0], y - 8), (leader.x, y - 8))
        d.arrow((leader.right[0], y - 8), (follower.x, y - 8))
        d.step(206, y - 28, 1)
        if copies:
            d.arrow((leader.x, y + 12), (producer.right[0], y + 12), answer=True)
            d.step(206, y + 32, 1 + copies)
        else:
            d.note(206, y + 20, "no answer", anchor="middle")
        d.step(432, y - 28, 2 if copies != 1 else 3)
        if copies == 2:
            d.arrow((follower.x, y + 12), (leader.right[0], y + 12), answer=True)


@diagram(
    "The leader dies",
    "Clean: a follower that is in sync has every acknowledged record and becomes the leader; none is"
    " lost. Unclean: only a follower that is behind is left; if it may lead, records 3 and 4, though"
    " acknowledged, are gone.",
    height=470,
)
def leader_election(d: Diagram) -> None:
    x, size = 190, 46
    everything = [str(n) for n in range(5)]
    d.heading(20, 30, "Clean: an in-sync follower takes over")
    d.program(84, 84, "leader", width=116, dead=True)
    d.log(x, 84, everything, size=size, offsets=False, fills=[WHITE] * 5)
    d.program(84, 158, "in sync", width=116)
    d.log(x, 158, everything, size=size, offsets=False)
    d.note(x + 5 * size + 16, 158, "→ new leader")
    d.text(x + 5 * size + 16, 188, "0 lost", bold=True, colour=GREEN_INK, anchor="start")
    d.line((20, 232), (620, 232))
    d.heading(20, 262, "Unclean: one that is behind takes over")
    d.program(84, 318, "leader", width=116, dead=True)
    d.log(x, 318, everything, size=size, offsets=False, fills=[WHITE] * 5)
    d.program(84, 396, "behind", width=116)
    d.log(x, 396, ["0", "1", "2", "✗", "✗"], size=size, offsets=False)
    d.note(x + 5 * size + 16, 396, "→ new leader")
    d.text(x + 5 * size + 16, 428, "2 lost", bold=True, colour=RED_INK, anchor="start")
