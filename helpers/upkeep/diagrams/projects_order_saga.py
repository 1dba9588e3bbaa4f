"""The project on an order saga: who tells whom what to do."""

from __future__ import annotations

from .drawing import SMALL, Diagram, diagram


@diagram(
    "The order saga",
    "A customer's order goes through an exchange to the order service. That sends commands through"
    " the same exchange: to inventory, payment and shipping, and hears their replies. Each of the four"
    " services has a database of its own. What can't be read goes to the queue parked.",
    height=380,
)
def order_saga(d: Diagram) -> None:
    customer = d.program(72, 60, "customer", width=108)
    exchange = d.exchange(300, 190, "shop", width=110)
    orders = d.program(72, 190, "orders", width=108)
    own = d.database(72, 300, "orders", width=92)
    d.arrow(customer.right, (300, 60), exchange.top)
    d.arrow((126, 178), (246, 178))
    d.arrow((246, 202), (126, 202), answer=True)
    d.arrow(orders.bottom, own.top)
    d.text(212, 44, "order.placed", size=SMALL)
    d.text(186, 158, "commands", size=SMALL)
    d.text(186, 222, "replies", size=SMALL)
    for y, name in ((60, "inventory"), (190, "payment"), (320, "shipping")):
        service = d.program(462, y, name, width=108)
        database = d.database(588, y, "", width=64)
        d.arrow((356, 190), (382, 190), (382, y), service.left)
        d.arrow(service.right, database.left)
    parked = d.queue(230, 334, ["?"], "parked")
    d.arrow((408, 334), parked.right)
