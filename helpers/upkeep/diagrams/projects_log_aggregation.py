"""The project on log aggregation: the way of a line from a service's file to somebody who searches."""

from __future__ import annotations

from .drawing import BLUE_INK, SMALL, Diagram, diagram


@diagram(
    "Log aggregation",
    "Three services, front, stock and payment, each write a log file. A shipper beside each reads the"
    " file, remembers its position, masks tokens, and sends the lines to the topic logs, with the"
    " service as the key: those of front and stock are in one partition. The indexer reads the topic"
    " and keeps lines, parked, gaps and its position in one database, which search reads.",
    height=490,
)
def log_aggregation(d: Diagram) -> None:
    d.text(50, 22, "services", size=SMALL)
    d.text(186, 22, "log files", size=SMALL)
    shippers = []
    for y, service in ((70, "front"), (160, "stock"), (250, "payment")):
        writer = d.program(62, y, service, width=100)
        file = d.paper(190, y, "lines", width=92)
        shipper = d.program(326, y, "shipper", width=100)
        d.arrow(writer.right, file.left)
        d.arrow(file.right, shipper.left)
        shippers.append(shipper)
    d.text(326, 296, "remembers its position,", size=SMALL, colour=BLUE_INK)
    d.text(326, 314, "masks tokens", size=SMALL, colour=BLUE_INK)
    first, _, last = (d.log(452, y, ["", "", "", ""], offsets=False) for y in (118, 160, 202))
    for shipper, partition in zip(shippers, (first, first, last), strict=True):
        d.arrow(shipper.right, partition.left)
    d.text(520, 78, "topic logs", size=SMALL, bold=True)
    d.note(520, 238, "keyed by the service", anchor="middle")
    indexer = d.program(560, 312, "indexer", width=110)
    d.arrow((560, 250), indexer.top)
    index = d.database(400, 408, "lines, parked,\ngaps, position", width=150, height=92)
    d.arrow(indexer.bottom, (560, 408), index.right)
    d.note(400, 470, "in one transaction", anchor="middle")
    search = d.program(190, 408, "search", width=110)
    d.arrow(search.right, index.left)
