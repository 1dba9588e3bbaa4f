"""The suite of the notifications: the reference keeps every promise, and each wrong solution breaks one."""

from tests.projects.solutions import Solutions

DISPATCH, NOTIFY, QUEUES, ALERTS = "dispatch.py", "notify.py", "queues.py", "alerts.py"
SENDERS, SLOTS, REPLAY = "senders.py", "slots.py", "replay.py"
GET = "channel.basic_get(queue)\n"
CONSUME = 'basic_consume(f"{args.name}.alerts", partial(dispatch, args.name))'
PARK = 'queues.park(channel, f"{args.name}.{args.channel}.{queues.PARKED}", body, reason)'
KEY = "    key = f\"{alert['id']}.{channel}\"\n"
ACK = "    channel.basic_ack(method.delivery_tag)\n"


ANSWERS = {
    "notifications": Solutions(
        {
            "a worker acknowledges automatically": (
                "reached",
                (NOTIFY, GET, "channel.basic_get(queue, auto_ack=True)\n"),
                (NOTIFY, "        channel.basic_ack(delivery_tag)\n", ""),
            ),
            "the dispatcher acknowledges automatically": (
                "reached",
                (DISPATCH, CONSUME, f"{CONSUME[:-1]}, auto_ack=True)"),
                (DISPATCH, ACK, ""),
            ),
            "one queue for all channels": (
                "reached",
                (
                    QUEUES,
                    'return f"{name}.{channel_name}.{severity}"',
                    'return f"{name}.{severity}"',
                ),
                (NOTIFY, "    alert = json.loads(body)", "    alert = of_ours(args, body)"),
                (
                    NOTIFY,
                    "def handle(",
                    "def of_ours(args, body):\n"
                    "    alert = json.loads(body)\n"
                    '    to = alert["to"].get(args.channel, next(iter(alert["to"].values())))\n'
                    '    return {**alert, "to": {args.channel: to}}\n\n\ndef handle(',
                ),
            ),
            "put back at once when it fails": (
                "backs_off",
                (
                    NOTIFY,
                    "rung = queues.rung(args.name, queues.PAUSES[before])\n"
                    '    channel.basic_publish("", rung,',
                    'channel.basic_publish(args.name, "",',
                ),
                (NOTIFY, '"tries": before + 1}', '"tries": 0}'),
            ),
            "tried again without a pause": (
                "backs_off",
                (QUEUES, "PAUSES = 250, 750, 2250", "PAUSES = 1, 2, 3"),
            ),
            "a new key for each try": (
                "once",
                (SENDERS, KEY, "    key = str(uuid.uuid4())\n"),
                (SENDERS, "import smtplib\n", "import smtplib\nimport uuid\n"),
            ),
            "no prefetch": (
                "shared",
                (
                    NOTIFY,
                    "    for severity in queues.SEVERITIES:\n",
                    "    if HAND:\n        return HAND.pop(0)\n    for severity in queues.SEVERITIES:\n",
                ),
                (
                    NOTIFY,
                    "            return method.delivery_tag, properties.headers, body\n    return None",
                    "            HAND.append((method.delivery_tag, properties.headers, body))\n"
                    "            return take_more(args, channel)\n"
                    "    return None\n\n\n"
                    "def take_more(args, channel):\n"
                    "    for severity in queues.SEVERITIES:\n"
                    "        queue = queues.waiting(args.name, args.channel, severity)\n"
                    "        while (got := channel.basic_get(queue))[0] is not None:\n"
                    "            HAND.append((got[0].delivery_tag, got[1].headers, got[2]))\n"
                    "    return HAND.pop(0)",
                ),
                (NOTIFY, "IDLE = 0.05", "HAND = []\nIDLE = 0.05"),
            ),
            "waits for ever for an answer": (
                "gives_up",
                (SENDERS, "TIMEOUT = 2 ", "TIMEOUT = None "),
            ),
            "waits for ever for an SMTP server": (
                "gives_up",
                (SENDERS, "smtplib.SMTP(provider, timeout=TIMEOUT)", "smtplib.SMTP(provider)"),
            ),
            "given up and dropped": (
                "reached",
                (NOTIFY, f"        {PARK}\n", ""),
            ),
            "a rate for each worker": (
                "rate_kept",
                (SLOTS, "sqlite3.connect(file,", 'sqlite3.connect(":memory:",'),
            ),
            "no severities": (
                "urgent_first",
                (QUEUES, 'SEVERITIES = "urgent", "routine"', 'SEVERITIES = "routine", "urgent"'),
            ),
            "transient messages in classic queues": (
                "reached",
                (QUEUES, '"quorum", **more}', '"classic", **classic(more)}'),
                (
                    QUEUES,
                    'PARKED = "parked"',
                    'PARKED = "parked"\nNOT_CLASSIC = "x-delivery-limit", "x-dead-letter-strategy"\n\n\n'
                    "def classic(more):\n"
                    "    return {key: more[key] for key in more if key not in NOT_CLASSIC}",
                ),
                (QUEUES, "DeliveryMode.Persistent", "DeliveryMode.Transient"),
            ),
            "what is hopeless is tried again": (
                "hopeless_once",
                (SENDERS, "(HopelessError if is_hopeless else PassingError)", "PassingError"),
            ),
            "an unknown channel is left out": (
                "bad_is_parked",
                (ALERTS, "        if channel not in CHANNELS:", "        if channel is None:"),
            ),
            "parked without a reason": (
                "says_why",
                (QUEUES, "persistent(reason=reason[:LONGEST])", "persistent()"),
            ),
            "a reason that fits into no frame": (
                "reached",
                (QUEUES, "reason=reason[:LONGEST]", "reason=reason"),
            ),
            "a provider's words have to be UTF-8": (
                "services_run",
                (SENDERS, "{said!r}", "{said.decode()}"),
            ),
            "a replay acknowledges automatically": (
                "reached",
                (REPLAY, "basic_get(parked)", "basic_get(parked, auto_ack=True)"),
                (REPLAY, "        channel.basic_ack(method.delivery_tag)\n", ""),
            ),
            "a replay takes all before it puts one back": (
                "reached",
                (
                    REPLAY,
                    "    for _ in range(number):\n        method, _, body = channel.basic_get(parked)\n",
                    "    hand = [channel.basic_get(parked, auto_ack=True) for _ in range(number)]\n"
                    "    for method, _, body in hand:\n",
                ),
                (REPLAY, "        channel.basic_ack(method.delivery_tag)\n", ""),
            ),
            "a replay with a new key": (
                "once",
                (
                    REPLAY,
                    "        headers = {",
                    '        body = json.dumps({**json.loads(body), "id": str(uuid.uuid4())}).encode()\n'
                    "        headers = {",
                ),
                (REPLAY, "import json\n", "import json\nimport uuid\n"),
            ),
            "a replay that forgets the channel": (
                "reached",
                (REPLAY, "headers = {args.channel: True,", "headers = {"),
                (REPLAY, ", mandatory=True", ""),
            ),
        }
    )
}


def test_answers(case, own_ports):
    case.judge()
