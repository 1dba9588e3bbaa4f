"""Somebody on the wire: it passes on what a client and a broker say, and writes all of it to a file.

With a certificate it ends the client's TLS itself, and begins another one to the broker: then it
reads what it passes on, if the client takes it for the broker.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/wiretap.py BROKERS_PORT FILE [CERTIFICATE]
"""

import argparse
import socket
import ssl
from contextlib import suppress
from threading import Thread


def pass_on(source, target, file):
    """Copy bytes from one to the other, and into the file, until one of them ends."""
    try:
        while data := source.recv(65536):
            file.write(data)
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        with suppress(OSError):  # closing alone says nothing while the other thread reads from it
            end.shutdown(socket.SHUT_RDWR)


def meet(client, args, file):
    """Connect a client to the broker, with TLS at both sides if we have a certificate."""
    broker = socket.create_connection(("127.0.0.1", args.port))
    try:
        if args.certificate:
            server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            server.load_cert_chain(args.certificate)
            client = server.wrap_socket(client, server_side=True)
            anyone = ssl._create_unverified_context()
            broker = anyone.wrap_socket(broker)
    except OSError as error:
        print("refused", error, flush=True)
        return
    for ends in ((client, broker), (broker, client)):
        Thread(target=pass_on, args=(*ends, file), daemon=True).start()


def main():
    """Listen at a free port, and say which, until we are ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("file")
    parser.add_argument("certificate", nargs="?")
    args = parser.parse_args()

    with open(args.file, "ab", buffering=0) as file:
        with socket.create_server(("127.0.0.1", 0)) as server:
            print("ready", server.getsockname()[1], flush=True)
            while True:
                client, _ = server.accept()
                Thread(target=meet, args=(client, args, file), daemon=True).start()


if __name__ == "__main__":
    main()
