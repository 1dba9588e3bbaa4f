"""Chapter 9: message patterns, and what holds a system of them together."""

from __future__ import annotations

from .drawing import BLUE_INK, GREEN_INK, GREY_INK, MESSAGE, OTHER, RED_INK, SMALL, Diagram, diagram


@diagram(
    "A map of the message patterns",
    "Six groups of patterns: endpoints, where a program meets the broker; construction, what a"
    " message is; channels, where it waits; routing, who gets it; transformation, how it is changed;"
    " management, how all is watched.",
    height=400,
)
def pattern_map(d: Diagram) -> None:
    groups = (
        (
            16,
            20,
            "Construction",
            "what a message is",
            "event · command\nreply address\ncorrelation id",
        ),
        (224, 20, "Channels", "where it waits", "queue · topic\ndead letter\nbridge"),
        (432, 20, "Endpoints", "who takes it", "competing and\nidempotent\nconsumers"),
        (16, 210, "Routing", "which way it goes", "router · splitter\naggregator\nresequencer"),
        (224, 210, "Transformation", "how it is changed", "claim check\nenricher\nnormaliser"),
        (432, 210, "Management", "how it is watched", "wire tap\nmessage history\ncontrol bus"),
    )
    for x, y, name, question, members in groups:
        d.frame(x, y, 192, 170, name)
        d.text(x + 12, y + 52, question, size=SMALL, colour=GREY_INK, anchor="start")
        d.text(x + 12, y + 112, members, colour=BLUE_INK, anchor="start")


@diagram(
    "A content-based router and a wire tap",
    "Orders go to an exchange. What stands in an order decides whether its message goes to the queue"
    " of packing or to that of printing. A tap has a queue of its own, which gets a copy of each.",
    height=300,
)
def route_and_tap(d: Diagram) -> None:
    shop = d.program(76, 150, "shop", width=100)
    exchange = d.exchange(252, 150, "exchange")
    d.arrow(shop.right, exchange.left)
    for y, name, binding in (
        (60, "packing", "order.pen"),
        (150, "printing", "order.poster"),
        (240, "tap", "#, all"),
    ):
        queue = d.queue(398, y, ["", "", ""], binding, size=30)
        start = {60: exchange.top, 150: exchange.right, 240: exchange.bottom}[y]
        d.arrow(start, *([] if y == 150 else [(start[0], y)]), queue.left)
        taker = d.program(574, y, name, width=100)
        d.arrow(queue.right, taker.left)


@diagram(
    "Scatter–gather with a deadline",
    "The buyer asks three suppliers at once. Two answers come back before the deadline and are"
    " gathered by their correlation id. The third comes late, when the buyer has gone on.",
    height=320,
)
def scatter_gather(d: Diagram) -> None:
    buyer = d.program(76, 160, "buyer", width=100)
    d.text(76, 120, "order 7?", size=SMALL)
    gathered = d.frame(460, 24, 164, 176, "order 7")
    for y, name in ((60, "Ann"), (160, "Ben"), (260, "Cleo")):
        supplier = d.program(300, y, name, width=100)
        d.arrow((buyer.x + 100, 160 + (y - 160) / 8), supplier.left)
        if name == "Cleo":
            d.arrow(supplier.right, (590, y), answer=True, lost=True)
            d.text(540, y + 30, "after the deadline", size=SMALL, colour=RED_INK)
        else:
            d.arrow(supplier.right, (gathered.x, y + 20 if name == "Ann" else y), answer=True)
            d.text(405, y - 12 if name == "Ann" else y - 18, "350", size=SMALL)
    d.paper(542, 84, "Ann: 350", width=120, height=42)
    d.paper(542, 156, "Ben: 350", width=120, height=42)


@diagram(
    "Splitter and aggregator",
    "A splitter makes a message of each line of an order. Each is priced by itself. An aggregator"
    " keeps the lines of each order until it has all three, and passes the order on.",
    height=330,
)
def split_and_aggregate(d: Diagram) -> None:
    order = d.paper(66, 90, "order 7", width=96)
    splitter = d.program(200, 90, "splitter", width=104)
    d.arrow(order.right, splitter.left)
    queue = d.queue(330, 90, ["7/1", "8/1", "7/2"], "lines, on their way", size=44)
    d.arrow(splitter.right, queue.left)
    aggregator = d.frame(250, 170, 374, 140, "aggregator")
    d.arrow(queue.right, (552, 90), (552, aggregator.y))
    for y, name, lines, note, colour in (
        (224, "order 7", ["1", "2", "3"], "complete", GREEN_INK),
        (276, "order 8", ["1", "", "3"], "waits", RED_INK),
    ):
        d.text(264, y, name, size=SMALL, anchor="start")
        d.cells(350, y, lines)
        d.text(474, y, note, size=SMALL, colour=colour, anchor="start")
    whole = d.paper(66, 224, "order 7", width=96)
    d.arrow((250, 224), whole.right)


@diagram(
    "A resequencer",
    "Messages arrive as 1, 2, 4, 5. The resequencer passes on 1 and 2. 4 and 5 have to wait for 3,"
    " which is late, or will never come.",
    height=210,
)
def resequencer(d: Diagram) -> None:
    d.text(106, 36, "as they arrive", size=SMALL, colour=GREY_INK)
    arriving = d.cells(30, 90, ["5", "4", "2", "1"], size=38)
    frame = d.frame(236, 20, 180, 166, "resequencer")
    d.arrow(arriving.right, (frame.x, 90))
    d.text(326, 82, "next: 3", size=SMALL, colour=RED_INK)
    d.cells(288, 140, ["4", "5"], size=38, fills=[OTHER, OTHER])
    d.text(326, 108, "waiting", size=SMALL, colour=GREY_INK)
    d.text(546, 36, "passed on", size=SMALL, colour=GREY_INK)
    out = d.cells(508, 90, ["2", "1"], size=38, fills=[MESSAGE, MESSAGE])
    d.arrow((416, 90), out.left)


@diagram(
    "A claim check",
    "The shop puts the attachment into a store and sends its ticket through the broker. Packing and"
    " the archive each read the ticket, at their own time, and fetch the attachment from the store.",
    height=340,
)
def claim_check(d: Diagram) -> None:
    shop = d.program(76, 98, "shop", width=100)
    d.frame(200, 40, 190, 100, "topic")
    log = d.log(226, 98, ["t", "t", "t", "t"], offsets=False, size=36)
    d.arrow(shop.right, log.left)
    d.text(160, 78, "ticket", size=SMALL)
    store = d.database(310, 272, "store", width=130, height=76)
    d.arrow(shop.bottom, (76, 272), store.left)
    d.text(150, 250, "attachment", size=SMALL)
    readers = d.group(472, 20, 148, 150)
    for y, name in ((62, "packing"), (128, "archive")):
        reader = d.program(546, y, name, width=108)
        d.arrow((390, y), reader.left)
    d.arrow(store.right, (546, 272), readers.bottom)
    d.text(460, 250, "2 MB, when wanted", size=SMALL)
