"""Chapter 1's graders tell right answers from wrong ones."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor

import pika
import pytest

from tests.exercises.answers import Answers, stub

pytestmark = pytest.mark.usefixtures("live")


def charge_with(bounded=True, once=True, fault="not charged", timeout="unknown", broken="unknown",
                refused="not charged", odd="unknown", again=False, limit=None, late=1):  # fmt: skip
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
        transport.seconds = (limit or seconds) * late if bounded else None
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


def charge_expecting_xml(address, order, seconds):
    """It knows that a server may fail, but not that one may answer nonsense."""
    try:
        return charge_with(odd=None)(address, order, seconds)
    except xmlrpc.client.ProtocolError:
        return "unknown"


def charge_over_a_socket(address, order, seconds):
    """Right too, and otherwise: a request written out, and an answer read to its end."""
    body = xmlrpc.client.dumps((order,), "charge").encode()
    head = f"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    deadline, answer = time.monotonic() + seconds, b""
    try:
        wire = socket.create_connection(address, timeout=seconds)
    except OSError as error:
        return "not charged" if isinstance(error, ConnectionRefusedError) else "unknown"
    try:
        with wire:
            wire.sendall(head.encode() + body)
            while more := wire.recv(4096):
                answer += more
                wire.settimeout(max(0.001, deadline - time.monotonic()))
        status, _, rest = answer.partition(b"\r\n")
        if status.split()[1] != b"200":
            return "unknown"
        xmlrpc.client.loads(rest.partition(b"\r\n\r\n")[2])
    except xmlrpc.client.Fault:
        return "not charged"
    except Exception:
        return "unknown"
    return "charged"


def charge_in_a_thread(address, order, seconds):
    """It looks away in time, and then waits for the thread to end."""
    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(charge_with(bounded=False), address, order, 0).result(seconds)
        except TimeoutError:
            return "unknown"


def product_with(whole=True, fixed=True, catch=Exception, look=None, kind=True, end=True,
                 channel=True, method=True, own_time=None):  # fmt: skip
    """A look at a port that gets right what it is told to, and no more."""

    def product(host, port, seconds):
        seconds = own_time or seconds
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
                frame, number, size = struct.unpack(">BHI", read(connection, 7))
                payload, last = read(connection, size), read(connection, 1)
            if (kind and frame != 1) or (channel and number) or (end and last != b"\xce"):
                return None
            if method and payload[:4] != b"\0\x0a\0\x0a":
                return None
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


def by_search_for_a_text(payload):
    _, _, rest = payload.partition(b"productS")
    size = int.from_bytes(rest[:4], "big")
    return rest[4 : 4 + size].decode()


def in_ascii(payload):
    found = pika.spec.Connection.Start().decode(payload[4:]).server_properties["product"]
    return found.encode("ascii", "ignore").decode()


def product_by_a_file(host, port, seconds):
    """Right too, and otherwise: a watch hangs up in time, and a file reads whole lengths."""
    watch = None
    try:
        with socket.create_connection((host, port), seconds) as wire, wire.makefile("rb") as stream:
            watch = threading.Timer(seconds, wire.shutdown, [socket.SHUT_RDWR])
            watch.start()
            wire.settimeout(None)
            wire.send(struct.pack("!4s4B", b"AMQP", 0, 0, 9, 1))
            if stream.read(3) != b"\x01\x00\x00":
                return None
            payload = stream.read(int.from_bytes(stream.read(4), "big"))
            if stream.read(1) != b"\xce" or struct.unpack("!2H", payload[:4]) != (10, 10):
                return None
        start = pika.spec.Connection.Start()
        start.decode(payload, 4)
        return start.server_properties.get("product")
    except Exception:
        return None
    finally:
        if watch:
            watch.cancel()


def product_by_pika(host, port, seconds):
    """Right too, and otherwise: it has pika take the bytes apart."""
    deadline, found = time.monotonic() + seconds, b""
    try:
        with socket.create_connection((host, port), timeout=seconds) as wire:
            wire.sendall(b"AMQP\x00\x00\x09\x01")
            while True:
                wire.settimeout(max(0.001, deadline - time.monotonic()))
                more = wire.recv(4096)
                found += more
                if found[:1] not in (b"", b"\x01") or not more:
                    return None
                size, frame = pika.frame.decode_frame(found)
                if size:
                    break
                if time.monotonic() > deadline:
                    return None
        if frame.channel_number or not isinstance(frame.method, pika.spec.Connection.Start):
            return None
        return frame.method.server_properties["product"]
    except Exception:
        return None


def charge_by_http(address, order, seconds):
    """Right too, and otherwise: it sends the request by hand."""
    connection = http.client.HTTPConnection(*address, timeout=seconds)
    body = xmlrpc.client.dumps((order,), "charge")
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        reply = connection.getresponse()
        if reply.status != 200:
            return "unknown"
        xmlrpc.client.loads(reply.read())
        return "charged"
    except xmlrpc.client.Fault:
        return "not charged"
    except ConnectionRefusedError:
        return "not charged"
    except Exception:
        return "unknown"
    finally:
        connection.close()


ANSWERS = {
    "1.1": Answers(
        right={
            "reference": charge_with(),
            "by HTTP": charge_by_http,
            "over a socket": charge_over_a_socket,
        },
        wrong={
            "no time-out": ("no_deadline", charge_with(bounded=False)),
            "0.4 s": ("gave_up_early", charge_with(limit=0.4)),
            "two seconds": ("waited_too_long", charge_with(limit=2)),
            "twice as long": ("waited_too_long", charge_with(late=2)),
            "waits for its thread": ("no_deadline", charge_in_a_thread),
            "library asks twice": ("charged_twice", charge_with(once=False)),
            "asks twice": ("charged_twice", charge_with(again=True)),
            "time-out is no": ("guessed", charge_with(timeout="not charged")),
            "break is no": ("guessed", charge_with(broken="not charged")),
            "refusal is unknown": ("knew_not", charge_with(refused="unknown")),
            "fault is unknown": ("knew_not", charge_with(fault="unknown")),
            "expects sense": ("raised", charge_with(odd=None)),
            "expects an answer": ("raised", charge_expecting_xml),
            "error 500 is no": ("guessed", charge_with(odd="not charged")),
            "always charged": ("guessed", lambda *given: "charged"),
            "no word": ("no_word", lambda *given: True),
            "not begun": ("not_attempted", stub),
        },
    ),
    "1.2": Answers(
        right={
            "reference": product_with(),
            "by pika": product_by_pika,
            "by a file": product_by_a_file,
        },
        wrong={
            "one recv": ("wrong_product", product_with(whole=False)),
            "moving deadline": ("no_deadline", product_with(fixed=False)),
            "two seconds": ("gave_up_early", product_with(own_time=2)),
            "two and a half": ("waited_too_long", product_with(own_time=2.5)),
            "raises": ("raised", product_with(catch=pika.exceptions.AMQPError)),
            "trusts each frame": ("raised", product_with(catch=OSError)),
            "any type": ("wrong_product", product_with(kind=False)),
            "any channel": ("wrong_product", product_with(channel=False)),
            "any method": ("wrong_product", product_with(method=False)),
            "ASCII": ("wrong_product", product_with(look=in_ascii)),
            "searches for a text": ("wrong_product", product_with(look=by_search_for_a_text)),
            "any end": ("wrong_product", product_with(end=False)),
            "no name": ("wrong_product", product_with(look=lambda _: "AMQP")),
            "goes by the method": ("wrong_product", product_with(look=by_method)),
            "searches": ("wrong_product", product_with(look=by_search)),
            "guesses": ("wrong_product", product_with(look=by_search_for_the_key)),
            "not begun": ("not_attempted", stub),
        },
    ),
}


def test_answers(case):
    case.judge()
