"""The shop's answers to questions about orders, over HTTP: it prints "ready" and its address.

By hand, in the course's folder:
    .venv/bin/python notebooks/programs/shop_queries.py DATABASE
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import shop


class Answer(BaseHTTPRequestHandler):
    """GET /orders/7 is answered with order 7, as it is now."""

    def do_GET(self) -> None:
        """Look it up; a question changes nothing."""
        order = int(self.path.rpartition("/")[2])
        ask = "SELECT email, cents FROM orders WHERE id = ?"
        found = shop.connect(sys.argv[1]).execute(ask, [order]).fetchone()
        self.send_response(200 if found else 404)
        self.end_headers()
        if found:
            body = {"order": order, "email": found[0], "cents": found[1]}
            self.wfile.write(json.dumps(body).encode())
        print("asked", order, flush=True)


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Answer)
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
