"""A provider of the outside world, on this machine: of e-mail (SMTP), SMS or chat (both HTTP).

It takes only so many notifications in a while, whoever sends them, and refuses what is faster. What it
remembers makes it safe to send again: e-mail by its Message-ID, an SMS by the header Idempotency-Key.
Chat remembers nothing. A file says how it feels: "well", "refusing" everything, "holding" (it takes
nothing and answers nothing), or "silent" (it takes the notification, and answers nothing).

It prints WHAT ADDRESS TIME of each: accepted, again, too_fast, refused, unknown (an address that
begins with "nobody") or held.

By hand: python provider.py sms --mood FILE
"""

import argparse
import json
import threading
import time
from collections import deque
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from helpers.programs import say

HTTP = {"accepted": 202, "again": 200, "too_fast": 429, "refused": 503, "unknown": 404}
SMTP = {
    "accepted": "250 OK",
    "again": "250 OK",
    "too_fast": "451 too fast",
    "refused": "451 come again later",
    "unknown": "550 kein Empfänger dieses Namens",  # in Latin-1: who reads it as UTF-8 fails
}


class Provider(ThreadingTCPServer):
    """Listens on this machine; each connection is a `Mail` or a `Message`."""

    daemon_threads = True

    def __init__(self, args):
        """``args`` as told by whoever has started it."""
        super().__init__(("127.0.0.1", args.port), Mail if args.channel == "email" else Message)
        self._args = args
        self._lock = threading.Lock()
        self._arrivals, self._known = deque(), set()

    def judge(self, address, key):
        """What becomes of a notification, as a word, and whether we answer."""
        with self._lock:
            mood = self._args.mood.read_text().strip()
            word = self._judge(mood, address, key)
            say(word, address)
        return word, mood not in ("holding", "silent") or word == "too_fast"

    def _judge(self, mood, address, key):
        if self._is_too_fast():
            return "too_fast"
        if mood in ("holding", "refusing"):
            return "held" if mood == "holding" else "refused"
        if address.startswith("nobody"):
            return "unknown"
        if key in self._known:
            return "again"
        if key and self._args.channel != "chat":
            self._known.add(key)
        return "accepted"

    def _is_too_fast(self):
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - self._args.window:
            self._arrivals.popleft()
        if len(self._arrivals) >= self._args.limit:
            return True
        self._arrivals.append(now)
        return False


class Mail(StreamRequestHandler):
    """One connection of SMTP: a command a line, each with an answer."""

    def handle(self):
        """Answer until the other side has had enough."""
        recipient = ""
        self._answer("220 ready")
        for line in self.rfile:
            verb = line[:4].upper().strip()
            if verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
            if verb == b"DATA" or (verb == b"RCPT" and recipient.startswith("nobody")):
                word, answers = self.server.judge(recipient, self._key(verb))
                if not answers:
                    self.rfile.read(1)  # until the other side has had enough
                    return
                self._answer(SMTP[word])
            elif verb == b"QUIT":
                self._answer("221 bye")
                return
            else:
                known = verb in (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"RSET")
                self._answer("250 OK" if known else "502 not known")

    def _key(self, verb):
        """The Message-ID of the mail that comes now, if one does."""
        if verb != b"DATA":
            return None
        self._answer("354 go on, and end with a dot")
        mail = b"".join(iter(self.rfile.readline, b".\r\n"))
        return BytesHeaderParser().parsebytes(mail)["Message-ID"]

    def _answer(self, line):
        self.wfile.write(f"{line}\r\n".encode("latin-1"))


class Message(BaseHTTPRequestHandler):
    """One request of HTTP: POST, with ``{"to": ADDRESS, "text": TEXT}``."""

    def do_POST(self):
        """Take a notification."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        word, answers = self.server.judge(message["to"], self.headers["Idempotency-Key"])
        if not answers:
            self.rfile.read(1)  # until the other side has had enough
            return
        self.send_response(HTTP[word])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing of each request: `judge` has said it."""


def main():
    """Serve until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("channel", choices=["email", "sms", "chat"])
    parser.add_argument("--mood", type=Path, required=True, help="a file that says how it feels")
    parser.add_argument("--port", type=int, default=0, help="where; a free one, if not told")
    parser.add_argument("--limit", type=int, default=17, help="notifications in a window")
    parser.add_argument("--window", type=float, default=1.0, help="seconds")
    args = parser.parse_args()
    with Provider(args) as server:
        print("listening", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
