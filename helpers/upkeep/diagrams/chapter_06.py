"""Chapter 6: events, commands, and a story that runs through several services."""

from __future__ import annotations

from .drawing import BLUE_INK, BLUE_TINT, GREEN_INK, RED_INK, SMALL, WHITE, Diagram, diagram


@diagram(
    "Event, command, query",
    "An event says what has happened, to whoever listens. A command tells one receiver, named by the"
    " sender, to do something. A query asks for an answer and changes nothing.",
    height=490,
)
def event_command_query(d: Diagram) -> None:
    d.heading(20, 30, "Event: it has happened; whoever cares")
    order = d.program(76, 106, "order")
    exchange = d.exchange(310, 106, "events")
    d.arrow(order.right, exchange.left)
    d.text(192, 88, "placed", size=SMALL)
    for service, y in (("email", 56), ("payment", 106), ("…", 156)):
        receiver = d.program(554, y, service, height=38)
        d.arrow(exchange.right, receiver.left)
    d.line((20, 192), (620, 192))
    d.heading(20, 222, "Command: do it; one receiver, by name")
    order = d.program(76, 284, "order")
    queue = d.queue(262, 284, ["", "", "c"], "queue payment")
    payment = d.program(554, 284, "payment")
    d.arrow(order.right, queue.left)
    d.arrow(queue.right, payment.left)
    d.text(192, 318, "charge order 1", size=SMALL)
    d.text(430, 318, "may be refused", size=SMALL, colour=RED_INK)
    d.line((20, 344), (620, 344))
    d.heading(20, 374, "Query: tell me; nothing changes")
    order = d.program(76, 436, "page")
    payment = d.program(554, 436, "order")
    d.arrow((order.right[0], 426), (payment.x, 426))
    d.arrow((payment.x, 448), (order.right[0], 448), answer=True)
    d.text(315, 408, "how is order 1?", size=SMALL)
    d.text(315, 466, "paid", size=SMALL)


@diagram(
    "Notification, or state carried by the event",
    "Above, the event only says that order 1 was placed, and email calls the order service back for"
    " the rest. Below, the event carries the customer and the amount; email keeps its own copy and"
    " asks nobody.",
    height=440,
)
def notification_or_state(d: Diagram) -> None:
    d.heading(20, 30, "Notification: then email calls back")
    order = d.program(76, 116, "order")
    email = d.program(500, 116, "email")
    paper = d.paper(288, 92, "order 1 placed", width=156, height=40)
    d.arrow((order.right[0], 104), (paper.x, 104))
    d.arrow((paper.right[0], 104), (email.x, 104))
    d.step(172, 76, 1)
    d.arrow((500, 138), (500, 168), (76, 168), order.bottom)
    d.step(540, 168, 2)
    d.text(288, 152, "who? how much?", size=SMALL)
    d.text(288, 192, "needs order to be up", size=SMALL, colour=RED_INK)
    d.line((20, 220), (620, 220))
    d.heading(20, 250, "State: the event says it all")
    order = d.program(76, 330, "order")
    email = d.program(500, 330, "email")
    paper = d.paper(288, 330, "order 1 placed\nby ada, 30.00", width=156, height=60)
    d.arrow(order.right, paper.left)
    d.arrow(paper.right, email.left)
    d.step(172, 304, 1)
    copy = d.database(556, 400, "own copy", width=110, height=56)
    d.arrow((520, 352), (532, copy.y))
    d.text(288, 392, "order may be down", size=SMALL, colour=GREEN_INK)


@diagram(
    "Choreography and orchestration",
    "Choreography: each service reacts to the event before its own, and nobody directs. Orchestration:"
    " the order service tells inventory, payment and email in turn what to do, and waits for answers.",
    height=640,
)
def choreography_orchestration(d: Diagram) -> None:
    d.heading(20, 30, "Choreography: each reacts to an event")
    order = d.program(90, 88, "order")
    inventory = d.program(550, 88, "inventory")
    payment = d.program(550, 238, "payment")
    email = d.program(90, 238, "email")
    d.arrow(order.right, inventory.left)
    d.step(190, 66, 1)
    d.text(320, 70, "order.placed", size=SMALL)
    d.arrow(inventory.bottom, payment.top)
    d.step(576, 162, 2)
    d.text(538, 162, "stock.reserved", size=SMALL, anchor="end")
    d.arrow((payment.x, 230), (order.right[0] - 10, 112))
    d.step(396, 222, 3)
    d.text(376, 222, "payment.taken", size=SMALL, anchor="end")
    d.arrow((70, 110), (70, email.y))
    d.step(46, 162, 4)
    d.text(84, 180, "order.confirmed", size=SMALL, anchor="start")
    d.line((20, 284), (620, 284))

    d.heading(20, 314, "Orchestration: one tells the others")
    order = d.program(90, 480, "order", height=270)
    rows = (
        (1, "reserve.stock", "stock.reserved", "inventory"),
        (2, "charge.card", "payment.taken", "payment"),
        (3, "send.email", "email.sent", "email"),
    )
    for n, command, answer, service in rows:
        y = 386 + (n - 1) * 94
        receiver = d.program(550, y, service)
        d.arrow((order.right[0], y - 9), (receiver.x, y - 9))
        d.arrow((receiver.x, y + 11), (order.right[0], y + 11), answer=True)
        d.step(190, y - 30, n)
        d.text(320, y - 26, command, size=SMALL)
        d.text(320, y + 28, answer, size=SMALL)


@diagram(
    "A saga and its compensation",
    "An order is placed, stock is reserved, the payment is refused. So the steps that were done are"
    " undone by new ones, backwards: the stock is released and the order cancelled.",
    height=330,
)
def saga_compensation(d: Diagram) -> None:
    xs = (112, 320, 528)
    for x, service in zip(xs, ("order", "inventory", "payment"), strict=True):
        d.program(x, 42, service)
    placed, reserved, refused = (
        d.paper(x, 132, event, width=172)
        for x, event in zip(xs, ("order.placed", "stock.reserved", "payment.refused"), strict=True)
    )
    d.step(112, 88, 1)
    d.step(320, 88, 2)
    d.step(528, 88, 3)
    d.cross(refused.x + refused.width, 106)
    d.arrow(placed.right, reserved.left)
    d.arrow(reserved.right, refused.left)
    released = d.paper(320, 242, "stock.released", width=172)
    cancelled = d.paper(112, 242, "order.cancelled", width=172)
    d.arrow(refused.bottom, (528, 242), released.right)
    d.arrow(released.left, cancelled.right)
    d.step(320, 198, 4)
    d.step(112, 198, 5)
    d.text(216, 298, "compensation: undone by new steps", colour=BLUE_INK)


@diagram(
    "The outbox",
    "The order service writes the order and the event in one transaction of its database. A relay"
    " reads the outbox, sends the event to the broker and marks it as sent. If it dies in between, it"
    " sends again: the event may come twice, but is never missing.",
    height=370,
)
def outbox(d: Diagram) -> None:
    d.group(166, 16, 190, 226, "one transaction")
    service = d.program(74, 140, "order", width=100)
    orders = d.database(261, 88, "orders", width=130)
    box = d.database(261, 190, "outbox", width=130)
    d.arrow(service.right, orders.left)
    d.arrow(service.right, box.left)
    d.step(74, 96, 1)
    relay = d.program(261, 312, "relay", width=130)
    d.arrow((244, box.y + box.height), (244, relay.y))
    d.step(220, 266, 2)
    broker = d.frame(470, 256, 154, 98, "broker")
    d.cells(496, 312, ["", "", "e"])
    d.arrow(relay.right, (broker.x, 312))
    d.step(396, 286, 3)
    d.arrow((278, relay.y), (278, box.y + box.height), answer=True)
    d.step(304, 266, 4)
    d.text(490, 120, "dies between 3 and 4:\nsends it again", size=SMALL, colour=RED_INK)
    d.text(490, 184, "twice, never missing", size=SMALL, colour=GREEN_INK)


@diagram(
    "Compatible changes of an event",
    "Backward compatible: a new reader can read an old event, because a default stands in for the"
    " missing field. Forward compatible: an old reader can read a new event, because it ignores the"
    " new field. A renamed field breaks both.",
    height=470,
)
def schema_compatibility(d: Diagram) -> None:
    rows = (
        ("Backward: new reader, old event", "amount", "new reader", "adds a default", False),
        (
            "Forward: old reader, new event",
            "amount\ncurrency",
            "old reader",
            "ignores currency",
            False,
        ),
        ("Neither: a field is renamed", "total", "old reader", "where is amount?", True),
    )
    for n, (heading, fields, reader, what, lost) in enumerate(rows):
        y = 94 + n * 154
        if n:
            d.line((20, y - 94), (620, y - 94))
        d.heading(20, y - 64, heading)
        event = d.paper(100, y, fields, width=130, height=60)
        program = d.program(540, y, reader, fill=WHITE if reader == "old reader" else BLUE_TINT)
        d.arrow(event.right, program.left, lost=lost)
        d.text(324, y + 28, what, size=SMALL, colour=RED_INK if lost else GREEN_INK)
