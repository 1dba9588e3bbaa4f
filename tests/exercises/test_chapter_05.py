"""Chapter 5's graders tell right answers from wrong ones."""

from __future__ import annotations

import copy
import time
import uuid
from bisect import bisect_right
from contextlib import closing, suppress

import pika
import pytest

from helpers import rabbitmq_cluster, up
from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def parked(channel, parking):
    return channel.queue_declare(parking, passive=True).method.message_count


def replay_with(auto_ack=False, confirms=True, mandatory=True, header=False, cap=None, body=None,
                mode=2, first=False, count=True, named=True, back=True):  # fmt: skip
    """A replay that gets right what it is told to, and no more."""

    def replay(channel, parking, work):
        if confirms:
            channel.confirm_delivery()
        moved = 0
        for _ in range(cap or parked(channel, parking)):
            method, properties, given = channel.basic_get(parking, auto_ack=auto_ack)
            if method is None:
                break
            name = properties.message_id if named else None
            sent = pika.BasicProperties(delivery_mode=mode, message_id=name)
            sent = properties if header else sent
            if first:
                channel.basic_ack(method.delivery_tag)
            try:
                channel.basic_publish("", work, body or given, sent, mandatory=mandatory)
            except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
                if back and not auto_ack and not first:
                    channel.basic_reject(method.delivery_tag, requeue=True)
                break
            if not auto_ack and not first:
                channel.basic_ack(method.delivery_tag)
            moved += 1
        return moved if count else None

    return replay


def renewed(properties):
    """Properties of a message that is moved."""
    return pika.BasicProperties(delivery_mode=2, message_id=properties.message_id)


def replay_all_at_once(channel, parking, work):
    """Right too, and otherwise: it takes them all into its hand first."""
    channel.confirm_delivery()
    hand = [channel.basic_get(parking) for _ in range(parked(channel, parking))]
    for n, (method, properties, body) in enumerate(hand):
        try:
            channel.basic_publish("", work, body, renewed(properties), mandatory=True)
        except pika.exceptions.AMQPError:
            if channel.is_open:
                for left, _, _ in hand[n:]:
                    channel.basic_nack(left.delivery_tag, requeue=True)
            return n
        channel.basic_ack(method.delivery_tag)
    return len(hand)


def replay_by_consuming(channel, parking, work):
    """Right too, and otherwise: a consumer, to which one message at a time is given."""
    due = channel.queue_declare(parking, durable=True, passive=True).method.message_count
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=1)
    moved = 0
    while moved < due:
        method, properties, body = next(channel.consume(parking))
        try:
            channel.basic_publish("", work, body, properties=renewed(properties), mandatory=True)
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            channel.basic_nack(method.delivery_tag)
            break
        channel.basic_ack(method.delivery_tag)
        moved += 1
    channel.cancel()
    return moved


def replay_with_its_properties(channel, parking, work):
    """Moves each message with the properties that it had, but for the header."""

    def publish(exchange, queue, body, properties, mandatory):
        properties.headers.pop("tries")
        return channel.basic_publish(exchange, queue, body, properties, mandatory=mandatory)

    moved = Publishing(channel, publish)
    return replay_with(header=True)(moved, parking, work)


class Publishing:
    """A channel that publishes in another way."""

    def __init__(self, channel, publish):
        self.channel, self.basic_publish = channel, publish

    def __getattr__(self, name):
        return getattr(self.channel, name)


def replay_and_acknowledge_at_the_end(channel, parking, work):
    channel.confirm_delivery()
    last = moved = 0
    for _ in range(parked(channel, parking)):
        method, properties, body = channel.basic_get(parking)
        if method is None:
            break
        try:
            channel.basic_publish("", work, body, renewed(properties), mandatory=True)
        except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
            channel.basic_nack(method.delivery_tag)
            break
        last, moved = method.delivery_tag, moved + 1
    if last:
        channel.basic_ack(last, multiple=True)
    return moved


def replay_and_ignore_all(channel, parking, work):
    while True:
        try:
            return replay_with(cap=1000)(channel, parking, work)
        except:  # noqa: E722, S110
            pass


def replay_by_consuming_ahead(channel, parking, work):
    """Right too: by consuming, and given as many messages as there are."""
    moved = replay_by_consuming_on(channel, parking, work)
    channel.cancel()
    return moved


def replay_by_consuming_on(channel, parking, work):
    """The same, but its consumer stays, and so do the messages that it was given ahead."""
    channel.confirm_delivery()
    due = parked(channel, parking)
    for moved in range(due):
        method, properties, body = next(channel.consume(parking))
        try:
            channel.basic_publish("", work, body, renewed(properties), mandatory=True)
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            channel.basic_nack(method.delivery_tag)
            return moved
        channel.basic_ack(method.delivery_tag)
    return due


def replay_backwards(channel, parking, work):
    channel.confirm_delivery()
    hand = [channel.basic_get(parking) for _ in range(parked(channel, parking))]
    for method, properties, body in reversed(hand):
        channel.basic_publish("", work, body, renewed(properties), mandatory=True)
        channel.basic_ack(method.delivery_tag)
    return len(hand)


def connect_with(eu="*.eu.#", failed="#.failed", orders="order.#", names=None, durable=True):
    """Bindings as told; `names` gives the queues other names than the three."""

    def connect(channel, exchange):
        queues = {}
        for name, patterns in {"eu": eu, "failed": failed, "orders": orders}.items():
            queues[name] = f"{exchange}.{(names or {}).get(name, name)}"
            arguments = {"x-queue-type": "classic"}
            channel.queue_declare(queues[name], durable=durable, arguments=arguments)
            for pattern in patterns.split():
                channel.queue_bind(queues[name], exchange, pattern)
        return queues

    return connect


def connect_server_named(**declaration):
    """Leaves it to the broker to find three names."""

    def connect(channel, exchange):
        queues = {}
        for name, pattern in {"eu": "*.eu.#", "failed": "#.failed", "orders": "order.#"}.items():
            queues[name] = channel.queue_declare("", **declaration).method.queue
            channel.queue_bind(queues[name], exchange, pattern)
        return queues

    return connect


def send_with(confirms=True, mandatory=True, mode=2, nack=None, broken=None, body=None, tries=1):
    """A send that says of each trouble what it is told to."""

    def send(channel, exchange, key, given):
        if confirms:
            channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=mode)
        for _ in range(tries):
            try:
                sent = body or given
                channel.basic_publish(exchange, key, sent, properties, mandatory=mandatory)
            except (pika.exceptions.UnroutableError, pika.exceptions.ChannelClosedByBroker):
                return False
            except pika.exceptions.NackError:
                return nack
            except pika.exceptions.AMQPError:
                if broken == "raise":
                    raise
                return broken
        return True

    return send


def send_by_kinds(channel, exchange, key, body):
    """Right too, and otherwise: it looks for the exchange first."""
    try:
        channel.exchange_declare(exchange, passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        return False if error.reply_code == 404 else None
    channel.confirm_delivery()
    try:
        channel.basic_publish(exchange, key, body, PERSISTENT, True)
        return True
    except Exception as error:
        return False if isinstance(error, pika.exceptions.UnroutableError) else None


def send_by_the_channel(channel, exchange, key, body):
    """Right too, and otherwise: what was returned, and in what state the channel is left."""
    channel.confirm_delivery()
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent.value)
    error = None
    with suppress(pika.exceptions.AMQPError):
        try:
            channel.basic_publish(exchange, key, body, properties=persistent, mandatory=True)
        except Exception as raised:
            error = raised
            raise
    if error is None:
        return True
    returned = getattr(error, "messages", [])
    gone = channel.is_closed and channel.connection.is_open
    unroutable = isinstance(error, pika.exceptions.UnroutableError) and len(returned) > 0
    return False if gone or unroutable else None


def send_again(channel, exchange, key, body):
    """Tries once more over a new connection."""
    found = send_with()(channel, exchange, key, body)
    if found is None and channel.connection.is_closed:
        with pika.BlockingConnection(up("rabbitmq", quiet=True).rabbitmq) as connection:
            send_with()(connection.channel(), exchange, key, body)
    return found


def send_again_if_refused(channel, exchange, key, body):
    found = send_with()(channel, exchange, key, body)
    return send_with()(channel, exchange, key, body) if found is None and channel.is_open else found


def send_text(channel, exchange, key, body):
    return send_with()(channel, exchange, key, body.decode(errors="replace"))


def settle_what_is_not_empty(pending, tag, multiple):
    return [message for message in settle_all(pending, tag, multiple) if message]


def settle_all(pending, tag, multiple):
    return [pending.pop(t) for t in sorted(pending) if t == tag or (multiple and t < tag)]


def settle_by_scan(pending, tag, multiple):
    """Right too, and otherwise."""
    found = [tag]
    if multiple:
        found = sorted(filter(lambda one: one <= tag, pending))
    return list(map(pending.pop, found))


def settle_by_bisection(pending, tag, multiple):
    """Right too, and otherwise: a slice of the sorted tags."""
    tags = sorted(pending)
    end = bisect_right(tags, tag)
    begin = 0 if multiple else end - 1
    settled = [pending[one] for one in tags[begin:end]]
    for one in tags[begin:end]:
        del pending[one]
    return settled


def settle_in_the_books_order(pending, tag, multiple):
    return [pending.pop(t) for t in list(pending) if t == tag or (multiple and t < tag)]


def settle_one(pending, tag, multiple):
    return [pending.pop(tag)]


def settle_up_to(pending, tag, multiple):
    return [pending.pop(t) for t in sorted(pending) if t <= tag]


def settle_and_keep(pending, tag, multiple):
    return [pending[t] for t in sorted(pending) if t == tag or (multiple and t < tag)]


@pytest.fixture(scope="module")
def node(live):
    """A RabbitMQ node of our own, for alarms."""
    cluster = rabbitmq_cluster(nodes=1)
    yield cluster
    cluster.down()


def publish_within_with(
    confirms=True,
    mandatory=True,
    mode=2,
    give_up=True,
    otherwise="unknown",
    tries=1,
    other=None,
    always=None,
):
    """A publish with a deadline that gets right what it is told to, and no more."""

    def publish_within(parameters, queue, body, seconds):
        parameters.blocked_connection_timeout = (always or seconds) if give_up else None
        properties = pika.BasicProperties(delivery_mode=mode)
        answer = otherwise
        for _ in range(tries):
            try:
                with pika.BlockingConnection(parameters) as connection:
                    channel = connection.channel()
                    if confirms:
                        channel.confirm_delivery()
                    channel.basic_publish("", queue, other or body, properties, mandatory=mandatory)
                    answer = "stored"
            except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
                answer = "refused"
            except pika.exceptions.AMQPError:
                if otherwise is None:
                    raise
            if answer != otherwise:
                break
        return answer

    return publish_within


def publish_within_by_hand(parameters, queue, body, seconds):
    """Right too, and otherwise: without a block, and it closes what is open."""
    parameters.blocked_connection_timeout = seconds
    connection, said = None, "unknown"
    try:
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, PERSISTENT, mandatory=True)
        said = "stored"
    except Exception as error:
        if type(error).__name__ in ("NackError", "UnroutableError"):
            said = "refused"
    if connection is not None and connection.is_open:
        connection.close()
    return said


def publish_within_after_a_look(parameters, queue, body, seconds):
    """Right too, and otherwise: it looks for the queue first, and goes by the error's words."""
    own = copy.copy(parameters)
    own.blocked_connection_timeout = seconds
    fate = []
    with suppress(pika.exceptions.AMQPError), closing(pika.BlockingConnection(own)) as connection:
        channel = connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
            channel.confirm_delivery()
            channel.basic_publish("", queue, body, properties=PERSISTENT, mandatory=True)
            fate.append("stored")
        except pika.exceptions.ChannelClosedByBroker as error:
            fate.append("refused" if error.reply_code == 404 else "unknown")
        except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
            fate.append("refused")
    return fate[0] if fate else "unknown"


def publish_within_and_leave(parameters, queue, body, seconds):
    """Right, but for the connection, which stays open."""
    parameters.blocked_connection_timeout = seconds
    try:
        connections.append(pika.BlockingConnection(parameters))
        channel = connections[-1].channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, PERSISTENT, mandatory=True)
    except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
        return "refused"
    except pika.exceptions.AMQPError:
        return "unknown"
    return "stored"


connections = []


def call_with(by_id=True, fixed=True, listen=True, own_id=True, bounded=True, late=None):
    """A call that gets right what it is told to, and no more."""

    def call(connection, queue, body, timeout):
        key, found, deadline = uuid.uuid4().hex if own_id else None, [], time.monotonic() + timeout

        def on_answer(channel, method, properties, answer):
            if not by_id or properties.correlation_id == key:
                found.append(answer)

        with connection.channel() as channel:
            if listen:
                channel.basic_consume("amq.rabbitmq.reply-to", on_answer, auto_ack=True)
            reply_to = "amq.rabbitmq.reply-to" if listen else None
            question = pika.BasicProperties(reply_to=reply_to, correlation_id=key)
            channel.basic_publish("", queue, body, question)
            while not found and (time.monotonic() < deadline or not bounded):
                left = max(0.01, deadline - time.monotonic()) if fixed else timeout
                connection.process_data_events(left)
                if not fixed:
                    deadline = time.monotonic() + timeout
        if found:
            return found[0]
        if late is not None:
            return late
        raise TimeoutError

    return call


def call_over_one_queue():
    """Right too, and otherwise: an exclusive queue, kept, in which late answers lie."""
    kept = {}

    def call(connection, queue, body, timeout):
        if kept.get("connection") is not connection:
            kept.update(connection=connection, channel=connection.channel())
            kept["answers"] = kept["channel"].queue_declare("", exclusive=True).method.queue
        channel, answers, key = kept["channel"], kept["answers"], uuid.uuid4().hex
        deadline = time.monotonic() + timeout
        question = pika.BasicProperties(reply_to=answers, correlation_id=key)
        channel.basic_publish("", queue, body, question)
        while time.monotonic() < deadline:
            method, properties, answer = channel.basic_get(answers, auto_ack=True)
            if method and properties.correlation_id == key:
                return answer
            connection.sleep(0 if method else 0.01)
        raise TimeoutError

    return call


def call_by_consuming(connection, queue, body, timeout):
    """Right too, and otherwise: a queue for this call alone, and pika's generator."""
    limit = time.monotonic() + timeout
    channel = connection.channel()
    mailbox = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
    ticket = f"{mailbox}/{time.monotonic_ns()}"
    properties = pika.BasicProperties(correlation_id=ticket, reply_to=mailbox)
    channel.basic_publish(exchange="", routing_key=queue, body=body, properties=properties)
    try:
        for _, found, answer in channel.consume(mailbox, auto_ack=True, inactivity_timeout=0.02):
            if found is not None and found.correlation_id == ticket:
                return answer
            if time.monotonic() >= limit:
                raise TimeoutError(queue)
    finally:
        channel.close()


def one_listener(by_id):
    """One for all calls, which take the next answer that comes; or the next with the same id."""
    kept = {}

    def on_answer(channel, method, properties, answer):
        if properties.correlation_id == "1" or not by_id:
            kept["found"].append(answer)

    def call(connection, queue, body, timeout):
        if kept.get("connection") is not connection:
            kept.update(connection=connection, channel=connection.channel(), found=[])
            kept["channel"].basic_consume("amq.rabbitmq.reply-to", on_answer, auto_ack=True)
        question = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="1")
        kept["channel"].basic_publish("", queue, body, question)
        deadline = time.monotonic() + timeout
        while not kept["found"] and time.monotonic() < deadline:
            connection.process_data_events(max(0.01, deadline - time.monotonic()))
        if not kept["found"]:
            raise TimeoutError
        return kept["found"].pop(0)

    return call


def give_up_at_the_first_stranger(connection, queue, body, timeout):
    key, found = uuid.uuid4().hex, []
    with connection.channel() as channel:
        channel.basic_consume(
            "amq.rabbitmq.reply-to",
            lambda _, method, properties, answer: found.append((properties.correlation_id, answer)),
            auto_ack=True,
        )
        question = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id=key)
        channel.basic_publish("", queue, body, question)
        connection.process_data_events(timeout)
    if not found or found[0][0] != key:
        raise TimeoutError
    return found[0][1]


def as_text(connection, queue, body, timeout):
    return call_with()(connection, queue, body, timeout).decode()


def one_id(connection, queue, body, timeout):
    """The same id in each call; a channel of its own keeps late answers away."""
    found, deadline = [], time.monotonic() + timeout

    def on_answer(channel, method, properties, answer):
        if properties.correlation_id == "1":
            found.append(answer)

    with connection.channel() as channel:
        channel.basic_consume("amq.rabbitmq.reply-to", on_answer, auto_ack=True)
        question = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="1")
        channel.basic_publish("", queue, body, question)
        while not found and time.monotonic() < deadline:
            connection.process_data_events(max(0, deadline - time.monotonic()))
    if not found:
        raise TimeoutError
    return found[0]


def with_a_queue_for_each(connection, queue, body, timeout, key=None):
    """A queue and a channel for each call, which stay."""
    deadline, key, channel = (
        time.monotonic() + timeout,
        key or uuid.uuid4().hex,
        connection.channel(),
    )
    mine = channel.queue_declare("", exclusive=True).method.queue
    question = pika.BasicProperties(reply_to=mine, correlation_id=key)
    channel.basic_publish("", queue, body, question)
    while time.monotonic() < deadline:
        method, properties, answer = channel.basic_get(mine, auto_ack=True)
        if method and properties.correlation_id == key:
            return answer
        connection.sleep(0 if method else 0.01)
    raise TimeoutError


def with_the_question_as_id(connection, queue, body, timeout):
    with connection.channel() as channel:
        return with_a_queue_for_each(
            Lending(channel, connection), queue, body, timeout, body.decode()
        )


class Lending:
    """A connection that has one channel to give."""

    def __init__(self, channel, connection):
        self.channel, self.sleep = lambda: channel, connection.sleep


def for_a_second(connection, queue, body, timeout):
    return call_with()(connection, queue, body, 1.0 if timeout < 3 else timeout)


def ask_again(connection, queue, body, timeout):
    try:
        return call_with()(connection, queue, body, timeout / 2)
    except TimeoutError:
        return call_with()(connection, queue, body, timeout / 2)


ANSWERS = {
    "5.1": Answers(
        right={
            "reference": connect_with(),
            "two patterns": connect_with(orders="order.* order.#"),
            "exact start": connect_with(orders="order.*.#", eu="*.eu *.eu.#"),
            "server-named": connect_server_named(durable=True),
        },
        wrong={
            "three words": ("too_few", connect_with(eu="*.eu.*")),
            "three and four words": ("too_few", connect_with(eu="*.eu.* *.eu.*.*")),
            "to five words": (
                "too_few",
                connect_with(failed="*.*.failed *.*.*.failed *.*.*.*.failed"),
            ),
            "anywhere": ("too_many", connect_with(eu="#.eu.#")),
            "failed amid": ("too_many", connect_with(failed="#.failed.#")),
            "orders of three": ("too_few", connect_with(orders="order.*.*")),
            "all": ("too_many", connect_with(orders="#")),
            "two queues": ("shared_queue", connect_with(names={"failed": "eu"})),
            "not durable": ("queue_does_not_last", connect_with(durable=False)),
            "server-named, not durable": ("queue_does_not_last", connect_server_named()),
            "server-named, for this connection": (
                "queue_does_not_last",
                connect_server_named(durable=True, exclusive=True),
            ),
            "server-named, auto-delete": (
                "queue_does_not_last",
                connect_server_named(durable=True, auto_delete=True),
            ),
            "server-named, expires": (
                "queue_does_not_last",
                connect_server_named(durable=True, arguments={"x-expires": 60_000}),
            ),
            "nothing": ("no_dictionary", lambda *given: None),
            "not begun": ("not_attempted", stub),
        },
    ),
    "5.2": Answers(
        right={
            "reference": send_with(),
            "by kinds": send_by_kinds,
            "by the channel": send_by_the_channel,
        },
        wrong={
            "every error is a no": ("guessed_no", send_with(nack=False, broken=False)),
            "a refusal is a no": ("guessed_no", send_with(nack=False)),
            "a break is a no": ("guessed_no", send_with(broken=False)),
            "a break is a yes": ("guessed_yes", send_with(broken=True)),
            "no confirms": ("guessed_yes", send_with(confirms=False)),
            "not mandatory": ("guessed_yes", send_with(mandatory=False)),
            "transient": ("transient", send_with(mode=1)),
            "other body": ("wrong_messages", send_with(body=b"order")),
            "twice": ("wrong_messages", send_with(tries=2)),
            "again": ("sent_twice", send_again),
            "again if refused": ("wrong_messages", send_again_if_refused),
            "text": ("wrong_messages", send_text),
            "stripped": (
                "wrong_messages",
                lambda *given: send_with()(*given[:3], given[3].strip()),
            ),
            "raises": ("raised", send_with(broken="raise")),
        },
    ),
    "5.3": Answers(
        right={
            "reference": settle_all,
            "by scan": settle_by_scan,
            "by bisection": settle_by_bisection,
        },
        wrong={
            "multiple ignored": ("wrong_messages", settle_one),
            "always multiple": ("wrong_messages", settle_up_to),
            "kept": ("book_not_kept", settle_and_keep),
            "the book's order": ("wrong_order", settle_in_the_books_order),
            "nothing": ("wrong_messages", lambda pending, tag, multiple: None),
            "nothing empty": ("wrong_messages", settle_what_is_not_empty),
            "a generator": ("wrong_messages", lambda *given: (m for m in settle_all(*given))),
        },
    ),
    "5.4": Answers(
        right={
            "reference": replay_with(),
            "all at once": replay_all_at_once,
            "by consuming": replay_by_consuming,
            "by consuming ahead": replay_by_consuming_ahead,
        },
        wrong={
            "auto_ack": ("acknowledged_before_stored", replay_with(auto_ack=True)),
            "acknowledges first": ("acknowledged_before_stored", replay_with(first=True)),
            "no confirms": ("acknowledged_before_stored", replay_with(confirms=False)),
            "not mandatory": ("acknowledged_before_stored", replay_with(mandatory=False)),
            "old header": ("old_header", replay_with(header=True)),
            "until empty": ("round_and_round", replay_with(cap=1000)),
            "at most 18": ("wrong_messages", replay_with(cap=18)),
            "other body": ("wrong_messages", replay_with(body=b"order")),
            "transient": ("transient", replay_with(mode=1)),
            "without its id": ("renamed", replay_with(named=False)),
            "backwards": ("wrong_order", replay_backwards),
            "uncounted": ("miscounted", replay_with(count=False)),
            "ignores all": ("round_and_round", replay_and_ignore_all),
            "its properties": ("transient", replay_with_its_properties),
            "at the end": ("doubled", replay_and_acknowledge_at_the_end),
            "text of bytes": ("wrong_messages", replay_with(body=b"b'order-1'")),
            "keeps what was refused": ("kept_in_hand", replay_with(back=False)),
            "keeps its consumer": ("kept_in_hand", replay_by_consuming_on),
        },
    ),
    "5.5": Answers(
        right={
            "reference": publish_within_with(),
            "by hand": publish_within_by_hand,
            "after a look": publish_within_after_a_look,
        },
        wrong={
            "no confirms": ("guessed", publish_within_with(confirms=False)),
            "not mandatory": ("guessed", publish_within_with(mandatory=False)),
            "transient": ("transient", publish_within_with(mode=1)),
            "no deadline": ("no_deadline", publish_within_with(give_up=False)),
            "refused": ("guessed", publish_within_with(otherwise="refused")),
            "raises": ("raised", publish_within_with(otherwise=None)),
            "twice": ("sent_twice", publish_within_with(tries=2)),
            "half a second": ("gave_up_early", publish_within_with(always=0.5)),
            "two seconds and a half": ("waited_too_long", publish_within_with(always=2.5)),
            "left open": ("left_open", publish_within_and_leave),
            "other body": ("wrong_messages", publish_within_with(other=b"order")),
            "not begun": ("not_attempted", stub),
        },
    ),
    "5.6": Answers(
        right={
            "reference": call_with(),
            "a queue": call_over_one_queue(),
            "by consuming": call_by_consuming,
        },
        wrong={
            "any answer": ("anothers_answer", call_with(by_id=False)),
            "next answer": ("anothers_answer", one_listener(by_id=False)),
            "one id, one listener": ("anothers_answer", one_listener(by_id=True)),
            "one id": ("one_id_for_all", one_id),
            "asks again": ("asked_twice", ask_again),
            "question as id": ("one_id_for_all", with_the_question_as_id),
            "leaves channels": ("left_open", with_a_queue_for_each),
            "a second": ("gave_up_early", for_a_second),
            "first stranger": ("gave_up", give_up_at_the_first_stranger),
            "moving deadline": ("no_deadline", call_with(fixed=False)),
            "no deadline": ("no_deadline", call_with(bounded=False)),
            "no exception": ("no_timeout", call_with(late=b"")),
            "no id": ("no_address", call_with(own_id=False)),
            "no address": ("no_address", call_with(listen=False)),
            "text": ("no_answer", as_text),
            "nothing": ("no_answer", lambda *given: None),
        },
    ),
}


def test_answers(case):
    case.judge()


def test_5_5(case, node):
    case.judge(cluster=node)
    assert "disk" not in node.ctl(1, "eval", "rabbit_alarm:get_alarms().")
