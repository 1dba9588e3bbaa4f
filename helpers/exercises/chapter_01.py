"""Graders of chapter 1: what a caller may say after a call, and who speaks AMQP at a port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import pika

from ..brokers import up
from .answers import NotAttempted, Wrong, ask, expect_patience
from .grading import grader

HOST = "127.0.0.1"

# -- 1.1: what do you know after a call? ---------------------------------------------------------

TILL = """
import os, signal, socket, sys, threading
from xmlrpc.server import SimpleXMLRPCServer
def charge(order):
    number = int(order)                                   # bad input fails here
    print(number, flush=True)                             # the card is charged here
    if "crash" in sys.argv: os.kill(os.getpid(), signal.SIGKILL)
    return f"receipt {number}"
timer = threading.Timer(60, os._exit, [1])                # ends by itself, should we forget it
timer.start()
server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.register_function(charge)
server.serve_forever()
"""
WORDS = ("charged", "not charged", "unknown")
LONG_ENOUGH, GRACE = 10.0, 5.0  # seconds: for an answer, and on top of a deadline
ASKED_AGAIN = (
    "Ask once. Whether to ask again, after a time-out, is for whoever called you to decide."
)
TRIES_TWICE = (
    "You have asked once, and the library twice: `xmlrpc.client.Transport.request` sends a request "
    "again when the connection breaks. Make a transport of your own whose `request` calls "
    "`single_request` once."
)


Charge = Callable[[tuple[str, int], Any, float], str]


@grader("1.1")
def charge(answer: Charge, data: Random) -> str:
    """A till that is well, gets bad input, is frozen, dead, fails inside, answers nonsense, or dies
    half-way. It is frozen for two deadlines, so that no constant fits both."""
    fine, frozen, again, dead, half = data.sample(range(1, 10**6), 5)
    with _Till() as till:
        _wait_for_order(till, 0)
        _expect(answer, till.address, fine, "charged", "the till has answered")
        _expect(answer, till.address, "ten", "not charged", "the till has raised a Fault")
        waits = {frozen: data.uniform(0.2, 0.4), again: data.uniform(2.6, 3.0)}
        took = [_ask_frozen(answer, till, order, patience) for order, patience in waits.items()]
    gone_on = f"a till that was frozen while you asked about order {frozen} has gone on"
    _expect_charges(till, [fine, frozen, again], gone_on, ASKED_AGAIN)
    for patience, seconds in zip(waits.values(), took, strict=True):
        expect_patience(patience, seconds)
    _expect(answer, till.address, dead, "not charged", "nobody has listened at the port")
    for serve, what in (
        (_answer("500 Internal Server Error", ""), "answered with HTTP's error 500"),
        (_answer("200 OK", "<html>The till is at lunch"), "answered with a page of HTML"),
        (_answer("200 OK", "<methodResponse><params>"), "answered with half a page"),
        (_answer("200 OK", "<lunch/>"), "answered with XML that is no answer"),
        (_hang_up, "hung up"),
    ):
        with _port(serve) as address:
            _expect(answer, address, dead, "unknown", f"the server has {what}")
    with _Till("crash", heir=True) as till:
        said = _ask(answer, till.address, half, LONG_ENOUGH)
    succeeded = f"a till has charged order {half} and died, and another has taken its place"
    _expect_charges(till, [half], succeeded, TRIES_TWICE)
    if said != "unknown":
        raise Wrong(
            "guessed",
            f"the till has died in the middle of the call, and the function said {said!r}.",
            "The connection broke after the request was sent. Was the card charged? Only the dead "
            "till knew: say unknown.",
        )
    return "three words, each where it is true: and no card was charged twice, or without your knowing."


class _Till:
    """A server process at a port of its own; with an heir, another takes its place when it dies."""

    def __init__(self, *options: str, heir: bool = False) -> None:
        self._options = options
        self._has_heir = heir
        self._processes: list[subprocess.Popen[str]] = []
        self.charges: list[int] = []

    def __enter__(self) -> _Till:
        self._door = socket.create_server((HOST, 0))
        self.address: tuple[str, int] = self._door.getsockname()
        self._start(*self._options)
        if self._has_heir:
            self._watch = threading.Thread(target=self._succeed, daemon=True)
            self._watch.start()
        else:
            self._door.close()  # the till has its own copy; when it dies, nobody listens
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_heir:
            self._processes[0].kill()
            self._watch.join(timeout=20)
            self._door.close()
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            printed = process.communicate(timeout=20)[0]
            self.charges += map(int, printed.split())

    def freeze(self) -> None:
        self._processes[-1].send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._processes[-1].send_signal(signal.SIGCONT)

    def _start(self, *options: str) -> None:
        number = self._door.fileno()
        command = [sys.executable, "-c", TILL, str(number), *options]
        self._processes.append(
            subprocess.Popen(command, pass_fds=[number], stdout=subprocess.PIPE, text=True)
        )

    def _succeed(self) -> None:
        self._processes[0].wait()
        self._start()


def _ask(
    answer: Charge, address: tuple[str, int], order: Any, seconds: float, late: Wrong | None = None
) -> Any:
    """What the function says; what it raises is worth a hint of its own."""
    given = answer, address, order, seconds
    said = ask(*given, seconds=seconds + GRACE, may_raise=(Exception,), late=late)
    if isinstance(said, Exception):
        _pass_on_a_stub(said)
        raise Wrong(
            "raised",
            f"about order {order!r} the function raised {type(said).__name__}.",
            "Say what you know, in one of the three words. A refused connection and a time-out are "
            "both an OSError; a Fault is the server's own no; an answer that makes no sense may raise "
            "anything.",
        )
    return said


def _pass_on_a_stub(error: BaseException) -> None:
    if isinstance(error, NotImplementedError):
        raise NotAttempted


def _expect(
    answer: Charge, address: tuple[str, int], order: Any, expected: str, situation: str
) -> None:
    said = _ask(answer, address, order, LONG_ENOUGH)
    if said not in WORDS:
        raise Wrong(
            "no_word",
            f"{situation}, and the function returned {said!r}.",
            f"Return one of three words: {', '.join(WORDS)}.",
        )
    if said != expected:
        raise Wrong(
            "guessed" if said != "unknown" else "knew_not",
            f"{situation}, and the function said {said!r}, not {expected!r}.",
            "An answer: charged. A Fault, or a connection that nobody has accepted: not charged. "
            "Everything else leaves the question open.",
        )


def _ask_frozen(answer: Charge, till: _Till, order: int, patience: float) -> float:
    """Ask a till that takes the question and says nothing. Returns how long that took, in seconds."""
    late = Wrong(
        "no_deadline",
        f"the till was frozen, and {patience + GRACE:.1f} s later the function, which had "
        f"{patience:.1f}, was still waiting.",
        "Give the connection a time-out: `make_connection` of your own transport can set it.",
    )
    till.freeze()
    began = time.monotonic()
    try:
        said = _ask(answer, till.address, order, patience, late)
    finally:
        took = time.monotonic() - began
        till.go_on()
    _wait_for_order(till, 0)  # it is served in turn: what was asked before is done by then
    if said != "unknown":
        raise Wrong(
            "guessed",
            f"the till was frozen, and the function said {said!r}"
            + ("; afterwards it went on and charged the card." if said == "not charged" else "."),
            "The question is in the till's socket. A time-out tells how long you have waited, not "
            "what has happened: say unknown.",
        )
    return took


def _wait_for_order(till: _Till, order: int) -> None:
    """Ask about an order in peace; 0 is nobody's, and tells that the till has come so far."""

    class Patient(xmlrpc.client.Transport):
        def make_connection(self, host: Any) -> Any:
            connection = super().make_connection(host)
            connection.timeout = 20
            return connection

    host, port = till.address
    with xmlrpc.client.ServerProxy(f"http://{host}:{port}", Patient()) as proxy:
        proxy.charge(order)


def _answer(status: str, page: str) -> Callable[[socket.socket, threading.Event], None]:
    """Reads a call to its end, and answers with something that no till would say."""

    def serve(visitor: socket.socket, _over: threading.Event) -> None:
        visitor.settimeout(5)
        call = b""
        while b"</methodCall>" not in call and (more := visitor.recv(4096)):
            call += more
        head = f"HTTP/1.0 {status}\r\nContent-Length: {len(page)}\r\n\r\n"
        visitor.sendall((head + page).encode())

    return serve


def _hang_up(visitor: socket.socket, _over: threading.Event) -> None:
    """Reads something, and closes the connection without a word."""
    visitor.settimeout(5)
    visitor.recv(4096)


def _expect_charges(till: _Till, expected: list[int], situation: str, hint: str) -> None:
    charges = [order for order in till.charges if order]
    for order in expected:
        if charges.count(order) > 1:
            raise Wrong(
                "charged_twice",
                f"{situation}, and the card of order {order} was charged "
                f"{charges.count(order)} times.",
                hint,
            )
    if missing := [order for order in expected if order not in charges]:
        raise Wrong(
            "never_asked",
            f"{situation}, and order {missing[0]} was never asked about.",
            "Call `charge(order)` on the till at this address, once.",
        )


# -- 1.2: who speaks AMQP? -----------------------------------------------------------------------

IN_TIME, SHORT = 10.0, 0.6  # seconds: for a port that answers, for one that does not
SILENT = SHORT, 2.8  # seconds, for one port; no constant does justice to both
PIECES = (1, 6, 30, 200)  # bytes; the rest comes in one
PAUSE = 0.1  # seconds between two pieces


@grader("1.2", needs=("kafka", "rabbitmq"))
def product(answer: Callable[[str, int, float], str | None], data: Random) -> str:
    """RabbitMQ, also over a line that stutters; another product; and six ports of no use."""
    brokers = up(quiet=True)
    assert brokers.rabbitmq is not None and brokers.kafka is not None  # noqa: PT018
    rabbitmq = (brokers.rabbitmq.host, brokers.rabbitmq.port)
    servers = brokers.kafka["bootstrap_servers"]
    host, _, port = (servers if isinstance(servers, str) else servers[0]).rpartition(":")
    name = f"Kaninchenhöhle {data.randrange(1000)}"

    def expect(address: tuple[str, int], seconds: float, wanted: str | None, who: str) -> None:
        _expect_product(answer, address, seconds, wanted, who)

    expect(rabbitmq, IN_TIME, "RabbitMQ", "RabbitMQ itself")
    with _port(_stutter(rabbitmq)) as address:
        line = "RabbitMQ over a line that brings a few bytes at a time"
        expect(address, IN_TIME, "RabbitMQ", line)
    with _port(_say(_start(name))) as address:
        expect(address, IN_TIME, name, f"a server whose product is {name}")
    greeting, nameless = _start("RabbitMQ"), _start(None)
    short = greeting[:3] + (50).to_bytes(4, "big") + greeting[7:57] + b"\xce"
    for frames in (
        {
            "connection.close": _close("CONNECTION_FORCED - RabbitMQ is going down"),
            "a greeting whose method is 10.20": greeting[:9] + b"\x00\x14" + greeting[11:],
            "a greeting without a product": nameless,
            "a greeting that ends within its table": short,
        },
        {"a greeting whose type is not that of a method": b"\x03" + greeting[1:]},
        {"a greeting whose end is not the end of a frame": greeting[:-1] + b"\x00"},
        {"a greeting whose channel is not 0": greeting[:1] + b"\x00\x07" + greeting[3:]},
    ):
        with _port(_say(*frames.values())) as address:
            for what in frames:
                expect(address, IN_TIME, None, f"a server that sends {what}")
    expect((host, int(port)), SHORT, None, "Kafka, which hangs up")
    with _port(_be_silent) as address:
        for seconds in SILENT:
            began = time.monotonic()
            expect(address, seconds, None, "a port that accepts and says nothing")
            expect_patience(seconds, time.monotonic() - began)
    with _port(_never_finish) as address:
        slow = "a port that sends a byte now and then, and never finishes"
        expect(address, SHORT, None, slow)
    expect(address, SHORT, None, "a port at which nobody listens")
    return "RabbitMQ found twice, and nine other ports told from it, each within its time."


def _expect_product(
    answer: Callable, address: tuple[str, int], seconds: float, expected: str | None, who: str
) -> None:
    late = Wrong(
        "no_deadline",
        f"it was {who}, and {seconds + GRACE / 2:g} s later the function, which had "
        f"{seconds:g}, was still reading.",
        "Fix the deadline once, and before each `recv` give the socket what is left of it: "
        "`settimeout(deadline - time.monotonic())`.",
    )
    given = answer, *address, seconds
    said = ask(*given, seconds=seconds + GRACE / 2, may_raise=(Exception,), late=late)
    if isinstance(said, Exception):
        _pass_on_a_stub(said)
        raise Wrong(
            "raised",
            f"it was {who}, and the function raised {type(said).__name__}.",
            "Return None for everything that isn't a greeting. And `recv(n)` brings up to n bytes: "
            "read on until you have what the frame's head has announced.",
        )
    if said != expected:
        raise Wrong(
            "wrong_product",
            f"it was {who}, and the function returned {said!r}, not {expected!r}.",
            "Send the header, read 7 bytes (type 1, channel 0, size), then as many as they announce, "
            "and the frame's end, 0xCE. If the method is 10.10, look into the server's properties "
            "for the product.",
        )


@contextmanager
def _port(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[tuple[str, int]]:
    """A port whose visitors are served by this function, each in a thread, until the end."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def attend(visitor: socket.socket) -> None:
        with visitor, suppress(OSError):
            serve(visitor, over)

    def receive() -> None:
        with suppress(OSError):  # the door was closed
            while True:
                visitor, _ = door.accept()
                threads.append(threading.Thread(target=attend, args=[visitor], daemon=True))
                threads[-1].start()

    with socket.create_server((HOST, 0)) as door:
        porter = threading.Thread(target=receive, daemon=True)
        porter.start()
        try:
            yield door.getsockname()
        finally:
            over.set()
            with suppress(OSError):  # wakes the porter, on Linux and macOS
                door.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                socket.create_connection(door.getsockname(), timeout=0.2).close()
    porter.join(timeout=5)
    for thread in threads:
        thread.join(timeout=5)


def _stutter(target: tuple[str, int]) -> Callable[[socket.socket, threading.Event], None]:
    """Passes the visitor's first words on, and brings the answer in small pieces."""

    def serve(visitor: socket.socket, over: threading.Event) -> None:
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor.settimeout(5)
        with socket.create_connection(target, timeout=5) as broker:
            broker.sendall(visitor.recv(100))
            sent = 0
            for size in PIECES:
                visitor.sendall(broker.recv(size))
                sent += size
                over.wait(PAUSE)
            broker.settimeout(0.2)
            while not over.is_set():
                with suppress(TimeoutError):
                    visitor.sendall(broker.recv(4096))

    return serve


def _start(product: str | None) -> bytes:
    """A whole frame, with the greeting of a server that calls itself so, and speaks of others."""
    other = "\x07productS\x00\x00\x00\x08RabbitMQ"
    properties = {"version": "9.9", "like": other, "product": product, "information": other}
    if product is None:
        del properties["product"]
    start = pika.spec.Connection.Start(server_properties=properties, mechanisms="PLAIN")
    return pika.frame.Method(0, start).marshal()


def _close(reason: str) -> bytes:
    """A whole frame that is no greeting: connection.close."""
    return pika.frame.Method(0, pika.spec.Connection.Close(320, reason, 0, 0)).marshal()


def _say(*frames: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Waits for a visitor's first words, and says the next of these."""
    to_say = iter(frames)

    def serve(visitor: socket.socket, over: threading.Event) -> None:
        visitor.settimeout(5)
        visitor.recv(100)
        visitor.sendall(next(to_say, b""))
        over.wait(30)

    return serve


def _be_silent(_visitor: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def _never_finish(visitor: socket.socket, over: threading.Event) -> None:
    """Announces a frame of 100,000 bytes, and brings one of them ten times a second."""
    visitor.sendall(b"\x01\x00\x00\x00\x01\x86\xa0")
    until = time.monotonic() + 30
    while not over.wait(0.1) and time.monotonic() < until:
        visitor.sendall(b"\x00")
