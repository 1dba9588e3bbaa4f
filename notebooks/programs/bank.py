"""A bank: it charges a card for each POST of an order's number, and answers with a receipt.

A request with a header Idempotency-Key that it knows gets the first receipt again, and no charge.
It prints "ready PORT", then "asked ORDER TIME" for each request, "charged ORDER TIME" for each charge.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/bank.py
"""

from http.server import BaseHTTPRequestHandler, HTTPServer

from helpers.programs import say

receipts: list[str] = []
known: dict[str, str] = {}  # the receipt of each key; in this bank they live as long as it does


def charge(order: str, key: str | None) -> str:
    """Charge a card, unless the key is known; the receipt."""
    if key in known:
        return known[key]
    say("charged", order)
    receipts.append(f"receipt {len(receipts) + 1}")
    if key is not None:
        known[key] = receipts[-1]
    return receipts[-1]


class Counter(BaseHTTPRequestHandler):
    """One request at a time."""

    def do_POST(self) -> None:
        """Charge, and answer."""
        order = self.rfile.read(int(self.headers["Content-Length"])).decode()
        say("asked", order)
        receipt = charge(order, self.headers["Idempotency-Key"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(receipt)))
        self.end_headers()
        self.wfile.write(receipt)

    def log_message(self, *_: object) -> None:
        """Print nothing else."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Counter)
    print("ready", server.server_port, flush=True)
    server.serve_forever()
