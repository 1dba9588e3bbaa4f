"""The lab on sagas: an order's way there, and its way back."""

from __future__ import annotations

from .drawing import BLUE_INK, GREEN_INK, RED_INK, SMALL, Diagram, diagram


@diagram(
    "The way there and the way back",
    "The way there: reserve stock, charge the card, ship the parcel, confirmed. From each step a way"
    " leads back: after a refusal to the undo of the step before, after no answer to the step's own undo."
    " It ends with the order cancelled.",
    height=350,
)
def saga_ways(d: Diagram) -> None:
    d.text(20, 28, "the way there", size=SMALL, colour=GREEN_INK, anchor="start")
    d.text(20, 322, "the way back", size=SMALL, colour=BLUE_INK, anchor="start")
    reserve, charge, ship = (
        d.paper(x, 90, label, width=104, height=60)
        for x, label in ((82, "reserve\nstock"), (242, "charge\ncard"), (402, "ship\nparcel"))
    )
    confirmed = d.paper(556, 90, "confirmed", width=120)
    d.arrow(reserve.right, charge.left)
    d.arrow(charge.right, ship.left)
    d.arrow(ship.right, confirmed.left)
    cancelled = d.paper(82, 256, "cancelled", width=116)
    release = d.paper(242, 256, "release\nstock", width=104, height=60)
    refund = d.paper(402, 256, "refund\ncard", width=104, height=60)
    d.arrow(refund.left, release.right)
    d.arrow(release.left, cancelled.right)
    d.arrow(reserve.bottom, cancelled.top)
    d.text(72, 172, "none", size=SMALL, colour=RED_INK, anchor="end")
    d.arrow((222, 120), (222, release.y))
    d.text(212, 172, "refused", size=SMALL, colour=RED_INK, anchor="end")
    d.arrow((264, 120), (378, refund.y), answer=True)
    d.text(274, 192, "no answer", size=SMALL, colour=RED_INK)
    d.arrow((418, 120), (418, refund.y))
    d.text(430, 172, "refused", size=SMALL, colour=RED_INK, anchor="start")
