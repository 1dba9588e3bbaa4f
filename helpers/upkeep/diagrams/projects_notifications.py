"""The project on notifications: which way an alert goes, and where it waits."""

from __future__ import annotations

from .drawing import SMALL, Diagram, diagram


@diagram(
    "The notifications",
    "The dispatcher publishes each alert once; a headers exchange puts a copy into the queues of each"
    " channel, urgent or routine. Two workers of a channel hand notifications to its provider, e-mail,"
    " SMS or chat. What fails waits in the queue retry, and goes back to the exchange; what can't be"
    " delivered goes to the channel's queue parked, from where a replay puts it back.",
    height=440,
)
def notifications(d: Diagram) -> None:
    alerts = d.queue(16, 150, ["!", "!"], "alerts")
    dispatch = d.program(152, 150, "dispatch", width=100)
    exchange = d.exchange(272, 150, "headers", width=108)
    d.arrow(alerts.right, dispatch.left)
    d.arrow(dispatch.right, exchange.left)
    for y, channel in ((62, "email"), (150, "sms"), (238, "chat")):
        queue = d.queue(362, y, ["u", "r"], channel, size=32)
        worker = d.program(500, y, "notify × 2", width=104)
        provider = d.paper(602, y, PROVIDERS[channel], width=64, height=46)
        d.arrow(worker.right, provider.left)
        d.arrow(queue.right, worker.left)
        if y == exchange.middle[1]:
            d.arrow(exchange.right, queue.left)
        else:
            edge = exchange.y if y < exchange.y else exchange.bottom[1]
            d.arrow((290, edge), (290, y), queue.left)
    retry = d.queue(300, 330, ["1", "2", "3"], "retry", size=30)
    parked = d.queue(420, 404, ["?"], "parked")
    replay = d.program(330, 404, "replay", width=84)
    d.arrow((484, 260), (484, 330), retry.right)
    d.arrow(retry.left, (266, 330), (266, 176))
    d.arrow((512, 260), (512, 404), parked.right)
    d.arrow(parked.left, replay.right)
    d.arrow(replay.left, (244, 404), (244, 176))
    d.text(524, 300, "what fails", size=SMALL, anchor="start")


PROVIDERS = {"email": "SMTP", "sms": "HTTP", "chat": "HTTP"}
