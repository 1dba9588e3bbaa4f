"""Chapter 5's graders refuse the usual wrong answers, with a hint; the notebooks run the right ones."""

from __future__ import annotations

import pika
import pytest

from helpers import check

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
