"""Loopback is never asked for through a proxy, and other exceptions stay."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from helpers.brokers import environment

ASK = """
import sys, urllib.request, requests
from helpers.brokers import environment
environment.spare_loopback()
for host in ("127.0.0.1", "localhost"):
    url = f"http://{host}:{sys.argv[1]}/"
    print(urllib.request.urlopen(url, timeout=5).read().decode(), requests.get(url, timeout=5).text)
"""


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


def test_loopback_is_asked_directly():
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(server.server_port)],
            env={**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": "example.org"},
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert done.stdout.split() == ["hello"] * 4, done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("a.example, 127.0.0.1", "a.example,127.0.0.1,localhost,::1"),
        ("*", "*"),
    ],
)
def test_exceptions_that_there_were_stay(monkeypatch, before, after):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "")  # and afterwards as it was
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("NO_PROXY", before)
    environment.spare_loopback()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after


def test_without_a_proxy_nothing_is_set(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    environment.spare_loopback()
    assert "no_proxy" not in os.environ
