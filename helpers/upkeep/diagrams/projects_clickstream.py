"""The project on a clickstream: from the website to the dashboard."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "The clickstream",
    "A website puts clicks into the topic clicks, which has four partitions and is keyed by the"
    " visitor. Two processors share the partitions. Each saves sessions, page views and its position"
    " in one database, in one transaction; the dashboard reads there. Late clicks go to the topic"
    " late, and what is no click to the topic refused.",
    height=400,
)
def clickstream(d: Diagram) -> None:
    website = d.program(62, 150, "website", width=96)
    clicks = [d.log(150, 66 + 56 * row, ["", "", ""], offsets=False) for row in range(4)]
    d.text(201, 34, "clicks, keyed by the visitor", size=SMALL)
    for partition in clicks:
        d.arrow(website.right, partition.left)
    processors = [d.program(362, y, "processor", width=104) for y in (94, 206)]
    for number, partition in enumerate(clicks):
        d.arrow(partition.right, processors[number // 2].left)
    database = d.database(510, 150, "sessions,\npage views,\nposition", width=124, height=112)
    for processor in processors:
        d.arrow(processor.right, database.left)
    d.text(510, 76, "one transaction", size=SMALL, colour=BLUE_INK)
    dashboard = d.program(510, 290, "dashboard", width=124)
    d.arrow(database.bottom, dashboard.top)
    late = d.log(196, 330, ["", ""], offsets=False)
    refused = d.log(328, 330, ["", ""], offsets=False)
    d.arrow((338, 229), (236, 311))
    d.arrow(processors[1].bottom, (362, 311))
    d.text(late.middle[0], 368, "late", size=SMALL)
    d.text(refused.middle[0], 368, "refused", size=SMALL)
