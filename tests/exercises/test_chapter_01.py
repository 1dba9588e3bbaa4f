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
                refused="not charged", odd="unknown", again=False):  # fmt: skip
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
            except Exception:  # an answer that isn't one
                if odd is None:
                    raise
                said = odd
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
        ({"odd": None}, "about order 5 the function raised ProtocolError"),
        ({"odd": "not charged"}, "error 500, and the function said 'not charged'"),
    ],
    ids=["no time-out", "library asks twice", "asks twice", "time-out is no", "break is no",
         "refusal is unknown", "fault is unknown", "expects sense", "error 500 is no"],
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


def product_with(whole=True, fixed=True, catch=Exception, look=None):
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
            if look:
                return look(payload)
            return pika.spec.Connection.Start().decode(payload[4:]).server_properties["product"]
        except catch:
            return None

    return product


def by_method(payload):
    return "RabbitMQ" if payload[:4] == b"\0\x0a\0\x0a" else None


def by_search(payload):
    return "RabbitMQ" if b"RabbitMQ" in payload else None


def by_search_for_the_key(payload):
    _, key, rest = payload.partition(b"\x07productS\0\0\0")
    return rest[1 : 1 + rest[0]].decode() if key else "RabbitMQ"


def test_a_patient_look_at_a_port_passes(capsys):
    assert "✔" in said(capsys, "1.2", product_with())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"whole": False}, "a few bytes at a time, and the function returned None"),
        ({"fixed": False}, "never finishes, and"),
        ({"catch": pika.exceptions.AMQPError}, "Kafka, which hangs up, and the function raised"),
        ({"catch": OSError}, "connection.close, and the function raised"),
        ({"look": lambda _: "AMQP"}, "returned 'AMQP', not 'RabbitMQ'"),
        ({"look": by_method}, "returned 'RabbitMQ', not 'Rabbit Hole'"),
        ({"look": by_search}, "returned 'RabbitMQ', not 'Rabbit Hole'"),
        ({"look": by_search_for_the_key}, "connection.close, and the function returned 'RabbitMQ'"),
    ],
    ids=["one recv", "moving deadline", "raises", "trusts each frame", "no name",
         "goes by the method", "searches", "guesses"],
)  # fmt: skip
def test_a_hasty_or_an_endless_look_is_refused(capsys, wrong, words):
    output = said(capsys, "1.2", product_with(**wrong))
    assert "✘" in output
    assert words in output
    assert "Hint" in output


def test_an_untouched_look_is_not_attempted(capsys):
    def stub(host, port, seconds):
        raise NotImplementedError

    assert "not attempted" in said(capsys, "1.2", stub)
