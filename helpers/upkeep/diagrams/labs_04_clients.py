"""The diagram of the lab on five clients of Kafka."""

from .drawing import MESSAGE, OTHER, SMALL, Diagram, diagram


@diagram(
    "Two clients, one key",
    "Java's client sends placed, for customer 5, to partition 0; librdkafka sends cancelled, for the"
    " same customer, to partition 1. The worker of partition 0 is behind, so the order is cancelled"
    " before it is placed.",
    height=262,
)
def two_clients_one_key(d: Diagram) -> None:
    d.text(79, 26, "key: customer 5", size=SMALL)
    d.frame(218, 16, 210, 224, "topic orders")
    rows = (
        ("Java's client:\nmurmur2", "placed", "0", MESSAGE, "worker of 0:\nbehind"),
        ("librdkafka:\nCRC-32", "cancelled", "1", OTHER, "worker of 1:\nhandles it now"),
    )
    for (client, record, number, fill, worker), y in zip(rows, (86, 180), strict=True):
        producer = d.program(79, y, client, width=134, height=64)
        d.text(240, y, number, bold=True)
        d.log(260, y, [record], size=104, fills=[fill])
        consumer = d.program(550, y, worker, width=152, height=64)
        d.arrow(producer.right, (218, y))
        d.arrow((428, y), consumer.left)
