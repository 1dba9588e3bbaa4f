"""The labs on what was before: objects that call each other, and middleware."""

from __future__ import annotations

from .drawing import GREEN_INK, MESSAGE, RED_INK, SMALL, Diagram, diagram


@diagram(
    "An object and its name",
    "The till tells the naming service its name and address. The caller asks the naming service for the"
    " name, gets the address, and calls the till there. The naming service has no part in the call.",
    height=250,
)
def object_by_name(d: Diagram) -> None:
    names = d.program(320, 52, "naming service", width=170, fill=MESSAGE)
    caller = d.program(84, 200, "caller")
    till = d.program(556, 200, "till")
    d.arrow((till.x + 44, till.y), (names.right[0], 60))
    d.step(492, 110, 1)
    d.text(508, 84, '"till" is here', size=SMALL, anchor="start")
    d.arrow((caller.x + 44, caller.y), (names.x, 46))
    d.arrow((names.x + 14, 74), (caller.x + 84, caller.y), answer=True)
    d.step(136, 110, 2)
    d.text(16, 80, 'where is "till"?', size=SMALL, anchor="start")
    d.text(224, 138, "there", size=SMALL, anchor="start")
    d.arrow((caller.right[0], 192), (till.x, 192))
    d.arrow((till.x, 212), (caller.right[0], 212), answer=True)
    d.step(320, 176, 3)
    d.text(320, 232, "a call, and its receipt", size=SMALL, colour=GREEN_INK)


@diagram(
    "A subscription, durable or not",
    "The broker gives each subscription a copy of a price. The first desk is there and gets it. The second"
    " is away, and its copy goes nowhere. The third is away too, but for its durable subscription the broker"
    " keeps the copy.",
    height=290,
)
def durable_or_not(d: Diagram) -> None:
    publisher = d.program(74, 150, "publisher")
    d.frame(186, 20, 230, 256, "broker")
    d.text(238, 150, "prices", bold=True)
    d.arrow(publisher.right, (208, 150))
    there = d.program(556, 76, "there")
    d.arrow((268, 142), there.left)
    away = d.program(556, 150, "away", dead=True)
    d.arrow((272, 150), (380, 150))
    d.cross(396, 150)
    d.text(470, 134, "gone", size=SMALL, colour=RED_INK)
    durable = d.program(556, 230, "away", dead=True)
    queue = d.queue(330, 230, ["2", "1"])
    d.arrow((262, 162), (queue.x, 226))
    d.text(470, 252, "kept", size=SMALL, colour=GREEN_INK)
    d.line((queue.right[0], 230), (durable.x, 230), dashed=True)
    d.line((412, 150), (away.x, 150), dashed=True)


@diagram(
    "One route for two, or one for each",
    "Above: one route takes an order from the queue, hands it to analytics and then to the packers, whose"
    " queue is full. The orders behind it wait. Below: one route copies each order into two queues, and a"
    " route each goes on from there. Only the packers' orders wait.",
    height=430,
)
def one_route_or_two(d: Diagram) -> None:
    d.heading(16, 24, "Together")
    shop = d.queue(36, 110, ["9", "8", "7"], "orders")
    d.group(186, 62, 216, 96, "bus")
    route = d.program(294, 110, "route: 6", width=120)
    analytics = d.program(556, 66, "analytics", fill=MESSAGE)
    packers = d.program(556, 150, "packers: full", width=140)
    d.arrow(shop.right, route.left)
    d.arrow((route.right[0], 104), analytics.left)
    d.step(424, 62, 1)
    d.arrow((route.right[0], 118), packers.left, lost=True)
    d.step(468, 168, 2)
    d.note(36, 152, "wait, for both")
    d.line((16, 202), (624, 202))
    d.heading(16, 228, "Apart")
    orders = d.queue(36, 320, ["9"], "orders")
    d.group(112, 240, 406, 174, "bus")
    copy = d.program(180, 320, "copy", width=84)
    one = d.queue(270, 286, ["8"], "for analytics")
    two = d.queue(258, 372, ["8", "7"], "for packers")
    to_one = d.program(450, 286, "route: 8", width=96)
    to_two = d.program(450, 372, "route: 6", width=96)
    d.arrow(orders.right, copy.left)
    d.arrow((copy.right[0], 312), one.left)
    d.arrow((copy.right[0], 330), two.left)
    d.arrow(one.right, to_one.left)
    d.arrow(two.right, to_two.left)
    first = d.program(582, 286, "analytics", width=96, fill=MESSAGE)
    second = d.program(582, 372, "full", width=96)
    d.arrow(to_one.right, first.left)
    d.arrow(to_two.right, second.left, lost=True)
    d.note(582, 408, "packers", anchor="middle")
