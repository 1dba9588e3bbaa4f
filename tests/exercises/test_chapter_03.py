"""Chapter 3's graders refuse the usual wrong answers, with a hint; the notebook runs the right ones."""

from __future__ import annotations

import pytest

from helpers import check
from helpers.brokers import Brokers

pytestmark = pytest.mark.usefixtures("live")
CLASSIC = {"x-queue-type": "classic"}


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def test_right_subscription(capsys):
    def subscribe(channel, exchange, service):
        queue = f"{exchange}.{service}"
        channel.queue_declare(queue, durable=True, arguments=CLASSIC)
        channel.queue_bind(queue, exchange)
        return queue

    assert "✔" in said(capsys, "3.1", subscribe)


def test_a_queue_for_each_instance_is_refused(capsys):
    def subscribe(channel, exchange, service):
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, exchange)
        return queue

    output = said(capsys, "3.1", subscribe)
    assert "✘" in output
    assert "two queues" in output
    assert "Hint" in output


def test_one_queue_for_all_services_is_refused(capsys):
    def subscribe(channel, exchange, service):
        channel.queue_declare(exchange, durable=True, arguments=CLASSIC)
        channel.queue_bind(exchange, exchange)
        return exchange

    assert "share a queue" in said(capsys, "3.1", subscribe)


def test_a_queue_that_dies_with_its_service_is_refused(capsys):
    def subscribe(channel, exchange, service):
        queue = f"{exchange}.{service}"
        channel.queue_declare(queue, exclusive=True)
        channel.queue_bind(queue, exchange)
        return queue

    assert "was gone" in said(capsys, "3.1", subscribe)


def test_an_unbound_queue_is_refused(capsys):
    def subscribe(channel, exchange, service):
        queue = f"{exchange}.{service}"
        channel.queue_declare(queue, durable=True, arguments=CLASSIC)
        return queue

    assert "0 of 6" in said(capsys, "3.1", subscribe)


def test_charging_twice_is_refused(capsys):
    def charge(database, order):
        with database:
            database.execute("INSERT INTO charges VALUES (?, 10)", (order,))

    assert "instead of 10" in said(capsys, "3.2", charge)


def test_charging_without_commit_is_refused(capsys):
    def charge(database, order):
        database.execute("INSERT INTO charges VALUES (?, 10)", (order,))

    assert "never charged" in said(capsys, "3.2", charge)


def test_an_untouched_stub_is_not_graded(capsys):
    def charge(database, order):
        raise NotImplementedError

    assert "not attempted yet" in said(capsys, "3.2", charge)


def test_graders_leave_no_queue_behind(capsys, live: Brokers):
    import json
    import urllib.request

    def queues() -> set[str]:
        request = urllib.request.Request(f"{live.management}/api/queues")
        request.add_header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")
        return {row["name"] for row in json.load(urllib.request.urlopen(request))}

    before = queues()
    test_right_subscription(capsys)
    test_charging_twice_is_refused(capsys)
    assert queues() == before
