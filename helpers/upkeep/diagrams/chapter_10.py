"""Chapter 10: what keeps a system running."""

from __future__ import annotations

from .drawing import RED_INK, SMALL, Diagram, diagram


@diagram(
    "Back-pressure along a chain",
    "The shop sends to the queue orders, the forwarder from there to the queue parcels, and the"
    " packer sleeps. When parcels is full, the forwarder is refused and puts orders back; then orders"
    " is full, and the shop is refused.",
    height=220,
)
def back_pressure(d: Diagram) -> None:
    shop = d.program(56, 80, "shop", width=80)
    orders = d.queue(136, 80, ["", "", ""], "orders", size=26)
    forwarder = d.program(318, 80, "forwarder", width=100)
    parcels = d.queue(408, 80, ["", "", ""], "parcels", size=26)
    packer = d.program(580, 80, "packer", width=110)
    for start, end in (
        (shop.right, orders.left),
        (orders.right, forwarder.left),
        (forwarder.right, parcels.left),
        (parcels.right, packer.left),
    ):
        d.arrow(start, end)
    for queue, sender in ((parcels, forwarder), (orders, shop)):
        x, y = queue.bottom
        d.arrow((x, y), (x, 160), (sender.bottom[0], 160), sender.bottom)
        d.text((x + sender.bottom[0]) / 2, 180, "no: full", size=SMALL, colour=RED_INK)
