"""The suite of the order saga: the reference keeps every promise, and each wrong solution breaks one."""

from tests.projects.solutions import Solutions

MESSAGES, ORDERS, PAYMENT, INVENTORY, SHIPPING = (
    f"{name}.py" for name in ("messages", "orders", "payment", "inventory", "shipping")
)
ACK = "        channel.basic_ack(method.delivery_tag)\n"
CONSUME = 'basic_consume(f"{args.name}.{service}", react'
TRY = "        try:\n            handle("
PARK = (
    '            channel.basic_publish("", f"{args.name}.parked", body, why, mandatory=True)\n',
    "            why = persistent(",
)
PUT = """            put = "INSERT INTO outbox (message_id, kind, body) VALUES (?, ?, ?)"
            database.execute(put, row)
"""
PUBLISH = "channel.basic_publish(name, answer, row[2], persistent(message_id=row[0]))\n"
IS_NEW = "is_new = database.execute(note, [message_id]).rowcount"
LOOK = "look = 'SELECT 1 FROM inbox WHERE message_id = ?'"
CONNECT = "    return pika.BlockingConnection(nodes).channel()\n"
COVERED = " AND cents >= :cents"
IN_STOCK = " AND pieces >= :pieces"

ANSWERS = {
    "order_saga": Solutions(
        {
            "automatic acknowledgement": (
                "ends",
                (MESSAGES, ACK, ""),
                (MESSAGES, CONSUME, f"{CONSUME}, auto_ack=True"),
            ),
            "acknowledged before the transaction": (
                "ends",
                (MESSAGES, ACK, ""),
                (MESSAGES, TRY, f"{ACK}{TRY}"),
            ),
            "published after the commit, without an outbox": (
                "ends",
                (MESSAGES, "def handle(database,", "def handle(channel, name, database,"),
                (
                    MESSAGES,
                    "handle(database, reactions, m",
                    "handle(channel, args.name, database, reactions, m",
                ),
                (MESSAGES, "if is_new and (answer :=", "if (answer := is_new and"),
                (
                    MESSAGES,
                    PUT,
                    f"    if answer:\n        {PUBLISH}",
                ),
                (
                    MESSAGES,
                    "reactions[kind](database, order)):",
                    "reactions[kind](database, order)):",
                ),
            ),
            "published before the commit, without an outbox": (
                "once",
                (MESSAGES, "def handle(database,", "def handle(channel, name, database,"),
                (
                    MESSAGES,
                    "handle(database, reactions, m",
                    "handle(channel, args.name, database, reactions, m",
                ),
                (
                    MESSAGES,
                    PUT,
                    f"            {PUBLISH}",
                ),
            ),
            "no confirms": ("ends", (MESSAGES, "    channel.confirm_delivery()\n", "")),
            "a new id at each publishing": (
                "once",
                (
                    MESSAGES,
                    "persistent(message_id=message_id)",
                    "persistent(message_id=str(uuid.uuid4()))",
                ),
            ),
            "no inbox": ("once", (MESSAGES, IS_NEW, "is_new = True")),
            "the inbox after the work, in a transaction of its own": (
                "once",
                (
                    MESSAGES,
                    IS_NEW,
                    f"{LOOK}\n        is_new = not database.execute(look, [message_id]).fetchone()",
                ),
                (
                    MESSAGES,
                    PUT,
                    f"{PUT}    with database:\n        database.execute(note, [message_id])\n",
                ),
            ),
            "placed twice is done twice": (
                "once",
                (
                    ORDERS,
                    '.fetchone() or ["new"]',
                    '.fetchone() or ["new"]\n    last = "new" if event == "order.placed" else last',
                ),
            ),
            "the money is not given back": (
                "all_or_nothing",
                (ORDERS, '"parcel.refused"): "refund.card"', '"parcel.refused"): "release.stock"'),
            ),
            "no look at the account": ("not_below_zero", (PAYMENT, COVERED, "")),
            "no look at the stock": ("not_below_zero", (INVENTORY, IN_STOCK, "")),
            "the books are opened anew at each start": (
                "money",
                (PAYMENT, "INSERT OR IGNORE INTO accounts", "INSERT OR REPLACE INTO accounts"),
            ),
            "books in memory": (
                "readable",
                (MESSAGES, "sqlite3.connect(path,", 'sqlite3.connect(":memory:",'),
            ),
            "what can't be read is dropped": (
                "bad_is_parked",
                (MESSAGES, PARK[0], "            print(why)\n"),
            ),
            "what can't be read comes again and again": (
                "bad_is_parked",
                (MESSAGES, PARK[0], "            return channel.basic_nack(method.delivery_tag)\n"),
            ),
            "parked without a reason": (
                "says_why",
                (MESSAGES, 'headers={"reason": str(error)}', "headers={}"),
            ),
            "any number will do": (
                "bad_is_parked",
                (MESSAGES, "else 0 < value <= MOST", "else value <= MOST"),
            ),
            "a write-ahead log": (
                "journal",
                (
                    MESSAGES,
                    "executescript(TABLES + tables)",
                    'executescript("PRAGMA journal_mode = WAL;" + TABLES + tables)',
                ),
            ),
            "classic queues": (
                "drained",
                (MESSAGES, '"x-queue-type": "quorum"', '"x-queue-type": "classic"'),
                (MESSAGES, "arguments=quorum | last_resort", "arguments=quorum"),
            ),
        },
        {
            "slow to find the other nodes": (
                (
                    MESSAGES,
                    CONNECT,
                    "    with contextlib.suppress(pika.exceptions.AMQPError):\n"
                    "        return pika.BlockingConnection(nodes[:1]).channel()\n"
                    f"    time.sleep(8)\n{CONNECT}",
                ),
                (
                    MESSAGES,
                    "import argparse\n",
                    "import argparse\nimport contextlib\nimport time\n",
                ),
            ),
        },
    )
}


def test_answers(case, own_ports):
    case.judge()
