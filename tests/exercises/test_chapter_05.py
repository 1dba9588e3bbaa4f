"""Chapter 5's graders refuse the usual wrong answers, with a hint; the notebooks run the right ones."""

from __future__ import annotations

import time
import uuid

import pika
import pytest

from helpers import check, rabbitmq_cluster

pytestmark = pytest.mark.usefixtures("live")
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def parked(channel, parking):
    return channel.queue_declare(parking, passive=True).method.message_count


def replay_with(auto_ack=False, confirms=True, mandatory=True, header=False, endless=False):
    """A replay that gets right what it is told to, and no more."""

    def replay(channel, parking, work):
        if confirms:
            channel.confirm_delivery()
        moved = 0
        for _ in range(1000 if endless else parked(channel, parking)):
            method, properties, body = channel.basic_get(parking, auto_ack=auto_ack)
            if method is None:
                break
            sent = properties if header else PERSISTENT
            try:
                channel.basic_publish("", work, body, sent, mandatory=mandatory)
            except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
                if not auto_ack:
                    channel.basic_reject(method.delivery_tag, requeue=True)
                break
            if not auto_ack:
                channel.basic_ack(method.delivery_tag)
            moved += 1
        return moved

    return replay


def test_a_careful_replay_passes(capsys):
    assert "✔" in said(capsys, "5.4", replay_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"auto_ack": True}, "in neither queue"),
        ({"confirms": False}, "in neither queue"),
        ({"mandatory": False}, "in neither queue"),
        ({"header": True}, "tries"),
        ({"endless": True}, "round and round"),
    ],
)
def test_a_careless_replay_is_refused(capsys, wrong, words):
    output = said(capsys, "5.4", replay_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def connect_with(eu="*.eu.#", failed="#.failed", orders="order.#", names=None):
    """Bindings as told; `names` gives the queues other names than the three."""

    def connect(channel, exchange):
        queues = {}
        for name, patterns in {"eu": eu, "failed": failed, "orders": orders}.items():
            queues[name] = f"{exchange}.{(names or {}).get(name, name)}"
            channel.queue_declare(queues[name], durable=True, arguments={"x-queue-type": "classic"})
            for pattern in patterns.split():
                channel.queue_bind(queues[name], exchange, pattern)
        return queues

    return connect


def test_right_bindings_pass(capsys):
    assert "✔" in said(capsys, "5.1", connect_with())
    assert "✔" in said(capsys, "5.1", connect_with(orders="order.* order.#"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"eu": "*.eu.*"}, "order.eu.payment.failed not at all"),
        ({"eu": "#.eu.#"}, "order.us.eu once"),
        ({"failed": "*.*.failed"}, "order.eu.payment.failed not at all"),
        ({"orders": "order.*.*"}, "order.eu.payment.failed not at all"),
        ({"names": {"failed": "eu"}}, "not three queues"),
    ],
)
def test_wrong_bindings_are_refused(capsys, wrong, words):
    output = said(capsys, "5.1", connect_with(**wrong))
    assert "✘" in output
    assert words in output


def send_with(confirms=True, mandatory=True, mode=2, catch=pika.exceptions.AMQPError):
    def send(channel, exchange, key, body):
        if confirms:
            channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=mode)
        try:
            channel.basic_publish(exchange, key, body, properties, mandatory=mandatory)
        except catch:
            return False
        return True

    return send


def test_an_honest_send_passes(capsys):
    assert "✔" in said(capsys, "5.2", send_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mandatory": False}, "no binding fits"),
        ({"mode": 1}, "not persistent"),
        ({"catch": pika.exceptions.UnroutableError}, "the queue is full"),
        (
            {"catch": (pika.exceptions.UnroutableError, pika.exceptions.NackError)},
            "raised ChannelClosedByBroker",
        ),
    ],
)
def test_a_careless_send_is_refused(capsys, wrong, words):
    output = said(capsys, "5.2", send_with(**wrong))
    assert "✘" in output
    assert words in output


def settle_all(pending, tag, multiple):
    return [pending.pop(t) for t in sorted(pending) if t == tag or (multiple and t < tag)]


def settle_one(pending, tag, multiple):
    return [pending.pop(tag)]


def settle_up_to(pending, tag, multiple):
    return [pending.pop(t) for t in sorted(pending) if t <= tag]


def settle_and_keep(pending, tag, multiple):
    return [pending[t] for t in sorted(pending) if t == tag or (multiple and t < tag)]


def test_a_book_that_is_kept_passes(capsys):
    assert "✔" in said(capsys, "5.3", settle_all)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (settle_one, "with multiple=True settles"),
        (settle_up_to, "with multiple=False settles"),
        (settle_and_keep, "are pending"),
        (lambda pending, tag, multiple: None, "returned None"),
    ],
    ids=["multiple ignored", "always multiple", "kept", "nothing returned"],
)
def test_a_book_with_mistakes_is_refused(capsys, wrong, words):
    assert words in said(capsys, "5.3", wrong)


@pytest.fixture(scope="module")
def node(live):
    """A RabbitMQ node of our own, for alarms."""
    cluster = rabbitmq_cluster(nodes=1)
    yield cluster
    cluster.down()


def publish_within_with(
    confirms=True, mandatory=True, mode=2, give_up=True, otherwise="unknown", tries=1
):
    """A publish with a deadline that gets right what it is told to, and no more."""

    def publish_within(parameters, queue, body, seconds):
        parameters.blocked_connection_timeout = seconds if give_up else None
        properties = pika.BasicProperties(delivery_mode=mode)
        answer = otherwise
        for _ in range(tries):
            try:
                with pika.BlockingConnection(parameters) as connection:
                    channel = connection.channel()
                    if confirms:
                        channel.confirm_delivery()
                    channel.basic_publish("", queue, body, properties, mandatory=mandatory)
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


def said_by_node(capsys, node, answer):
    check("5.5", answer, cluster=node)
    output = capsys.readouterr().out
    assert "disk" not in node.ctl(1, "eval", "rabbit_alarm:get_alarms().")
    return output


def test_a_publish_that_keeps_its_deadline_passes(capsys, node):
    assert "✔" in said_by_node(capsys, node, publish_within_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"confirms": False}, "the queue is full, and the function said 'stored'"),
        ({"mandatory": False}, "no such queue, and the function said 'stored'"),
        ({"mode": 1}, "not persistent"),
        ({"give_up": False}, "still waiting"),
        ({"otherwise": "refused"}, "said 'refused'; afterwards there was 1 in the queue"),
        ({"otherwise": None}, "raised ConnectionBlockedTimeout"),
        ({"tries": 2}, "in the queue 2 times"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_publish_without_a_deadline_or_honesty_is_refused(capsys, node, wrong, words):
    output = said_by_node(capsys, node, publish_within_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_an_untouched_publish_is_not_attempted(capsys, node):
    def stub(parameters, queue, body, seconds):
        raise NotImplementedError

    assert "not attempted" in said_by_node(capsys, node, stub)


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
        if not kept:
            kept["channel"] = connection.channel()
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


def one_listener(by_id):
    """One for all calls, which take the next answer that comes; or the next with the same id."""
    kept = {}

    def on_answer(channel, method, properties, answer):
        if properties.correlation_id == "1" or not by_id:
            kept["found"].append(answer)

    def call(connection, queue, body, timeout):
        if not kept:
            kept["channel"], kept["found"] = connection.channel(), []
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


@pytest.mark.parametrize("right", [call_with(), call_over_one_queue()], ids=["direct", "a queue"])
def test_a_call_that_waits_for_its_own_answer_passes(capsys, right):
    assert "✔" in said(capsys, "5.6", right)


@pytest.mark.parametrize(
    ("wrong", "words", "hint"),
    [
        (call_with(by_id=False), "after two answers to other questions", "correlation id"),
        (one_listener(by_id=False), "after two answers to other questions", "correlation id"),
        (one_listener(by_id=True), "returned 'the answer to order 3'", "correlation id of its own"),
        (give_up_at_the_first_stranger, "raised TimeoutError", "isn't yours"),
        (call_with(fixed=False), "answers to others all the while", "deadline once"),
        (call_with(bounded=False), "the function waited for it", "deadline once"),
        (call_with(late=b""), "returned b''", "raise TimeoutError"),
        (call_with(own_id=False), "has no correlation_id", "properties"),
        (call_with(listen=False), "has no reply_to", "properties"),
        (as_text, "returned 'the answer to order 1'", "bytes"),
        (lambda *given: None, "returned None", "bytes"),
    ],
    ids=["any answer", "next answer", "one id for all", "first stranger", "moving deadline", "no deadline",
         "no exception", "no id", "no address", "text", "nothing"],
)  # fmt: skip
def test_a_call_that_trusts_or_waits_too_much_is_refused(capsys, wrong, words, hint):
    output = said(capsys, "5.6", wrong)
    assert "✘" in output
    assert words in output
    assert hint in output
