"""A long line between a client and its brokers: whatever is said takes so long to arrive.

It is a SOCKS5 proxy, and what it carries is untouched. A client is told of it:
    KafkaProducer(proxy_url="socks5://127.0.0.1:PORT", ...)

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/slow_link.py SECONDS
"""

import argparse
import queue
import socket
import struct
import time
from contextlib import suppress
from threading import Thread


def listen(source, line):
    """Note when each piece that comes is to arrive at the other end; None at the end of all."""
    try:
        while data := source.recv(65536):
            line.put((time.monotonic() + args.seconds, data))
    except OSError:
        pass
    line.put((0, None))


def deliver(target, line):
    """Hand each piece on when it is time."""
    while (piece := line.get())[1]:
        time.sleep(max(0, piece[0] - time.monotonic()))
        try:
            target.sendall(piece[1])
        except OSError:
            break
    with suppress(OSError):  # closing alone says nothing while the other thread reads from it
        target.shutdown(socket.SHUT_WR)


def meet(client):
    """Connect a client to the broker that it asks for."""
    client.recv(262)  # the ways to log in that it knows
    client.sendall(b"\x05\x00")  # none is needed
    *_, kind = client.recv(4)
    host = client.recv(4) if kind == 1 else client.recv(client.recv(1)[0])
    (port,) = struct.unpack(">H", client.recv(2))
    name = socket.inet_ntoa(host) if kind == 1 else host.decode()
    broker = socket.create_connection((name, port))
    client.sendall(b"\x05\x00\x00\x01" + bytes(6))
    for source, target in ((client, broker), (broker, client)):
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = queue.SimpleQueue()
        Thread(target=listen, args=(source, line), daemon=True).start()
        Thread(target=deliver, args=(target, line), daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", type=float, help="there; and the same back")
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("ready", server.getsockname()[1], flush=True)
        while True:
            Thread(target=meet, args=(server.accept()[0],), daemon=True).start()
