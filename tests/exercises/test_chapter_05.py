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
