"""Chapter 1's graders refuse the usual wrong answers, with a hint; the notebook runs the right ones."""

from __future__ import annotations

import socket
import struct
import time
import xmlrpc.client

import pika
import pytest

from helpers import check

pytestmark = pytest.mark.usefixtures("live")


def said(capsys: pytest.CaptureFixture[str], exercise: str, answer) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


def charge_with(bounded=True, once=True, fault="not charged", timeout="unknown", broken="unknown",
                refused="not charged", again=False):  # fmt: skip
    """A call that knows what it is told to, and no more."""

    class Transport(xmlrpc.client.Transport):
        seconds = None

        def make_connection(self, host):
            connection = super().make_connection(host)
            connection.timeout = self.seconds
            return connection

        def request(self, host, handler, request_body, verbose=False):
            send = self.single_request if once else super().request
            return send(host, handler, request_body, verbose)

    def charge(address, order, seconds):
        transport = Transport()
        transport.seconds = seconds if bounded else None
        for _ in range(2 if again else 1):
            try:
                with xmlrpc.client.ServerProxy("http://{}:{}".format(*address), transport) as till:
                    till.charge(order)
                return "charged"
            except xmlrpc.client.Fault:
                said = fault
            except ConnectionRefusedError:
                said = refused
            except TimeoutError:
                said = timeout
            except OSError:
                said = broken
            if said is None:
                raise
            if said != "unknown":
                break
        return said

    return charge


def test_a_caller_who_says_what_it_knows_passes(capsys):
    assert "✔" in said(capsys, "1.1", charge_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bounded": False}, "was still waiting"),
        ({"once": False}, "the card of order 4 was charged 2 times"),
        ({"again": True}, "the card of order 2 was charged 2 times"),
        ({"timeout": "not charged"}, "afterwards the till went on and charged the card"),
        ({"broken": "not charged"}, "in the middle of the call"),
        ({"refused": "unknown"}, "nobody has listened at the port"),
        ({"fault": "unknown"}, "the till has raised a Fault"),
    ],
    ids=["no time-out", "library asks twice", "asks twice", "time-out is no", "break is no",
         "refusal is unknown", "fault is unknown"],
)  # fmt: skip
def test_a_caller_who_knows_too_much_or_too_little_is_refused(capsys, wrong, words):
    output = said(capsys, "1.1", charge_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_a_caller_who_never_calls_is_refused(capsys):
    answers = iter(["charged", "not charged", "unknown"])
    assert "was never asked about" in said(capsys, "1.1", lambda *_: next(answers))


def test_a_caller_without_the_three_words_is_refused(capsys):
    assert "one of three words" in said(capsys, "1.1", lambda *_: True)


def test_an_untouched_caller_is_not_attempted(capsys):
    def stub(address, order, seconds):
        raise NotImplementedError

    assert "not attempted" in said(capsys, "1.1", stub)


def product_with(whole=True, fixed=True, catch=OSError, named=True):
    """A look at a port that gets right what it is told to, and no more."""

    def product(host, port, seconds):
        deadline = time.monotonic() + seconds

        def read(connection, size):
            found = b""
            while len(found) < size:
                left = deadline - time.monotonic() if fixed else seconds
                if left <= 0:
                    raise TimeoutError
                connection.settimeout(left)
                more = connection.recv(size - len(found))
                if not more:
                    raise ConnectionError
                found += more
                if not whole:
                    break
            return found

        try:
            with socket.create_connection((host, port), timeout=seconds) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                _, _, size = struct.unpack(">BHI", read(connection, 7))
                payload = read(connection, size)
        except catch:
            return None
        if not named:
            return "AMQP"
        start = pika.spec.Connection.Start().decode(payload[4:])
        return start.server_properties["product"]

    return product


def test_a_patient_look_at_a_port_passes(capsys):
    assert "✔" in said(capsys, "1.2", product_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"whole": False}, "a few bytes at a time, and the function raised"),
        ({"fixed": False}, "never finishes, and"),
        ({"catch": ZeroDivisionError}, "Kafka, which hangs up, and the function raised"),
        ({"named": False}, "returned 'AMQP', not 'RabbitMQ'"),
    ],
    ids=["one recv", "moving deadline", "raises", "no name"],
)
def test_a_hasty_or_an_endless_look_is_refused(capsys, wrong, words):
    output = said(capsys, "1.2", product_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_an_untouched_look_is_not_attempted(capsys):
    def stub(host, port, seconds):
        raise NotImplementedError

    assert "not attempted" in said(capsys, "1.2", stub)
