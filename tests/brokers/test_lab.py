"""make lab: JupyterLab answers, and when it is gone, however that came about, so are the brokers."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pika
import pytest

from conftest import _free_offset
from helpers import settings, wait_until
from helpers.brokers import marks

HELPERS = [sys.executable, "-m", "helpers"]


class Lab:
    """A lab on ports of its own, and what it said."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.environment = {
            **os.environ,
            "BREAKING_BROKERS_BACKEND": "native",
            "BREAKING_BROKERS_OWNER": marks.identity(),
            "BREAKING_BROKERS_PORT_OFFSET": str(_free_offset()),
        }
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
            self.environment.pop(name, None)

    def start(self) -> None:
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*HELPERS, "lab"],
                cwd=settings.CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def address(self) -> str:
        """What it printed, once that answers."""

        def answered() -> str | None:
            found = re.search(r"http://\S+token=\w+", self.said())
            if found and urllib.request.urlopen(found[0], timeout=5).status == 200:
                return found[0]
            return None

        return wait_until(answered, "JupyterLab", timeout=60, log=self.said, tolerate=(OSError,))

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def run(self, command: str) -> str:
        done = subprocess.run(
            [*HELPERS, command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "said")
    yield lab
    lab.process.kill()
    lab.process.wait()
    lab.run("down")


def test_the_brokers_come_and_go_with_the_lab(lab):
    lab.start()
    assert "/lab/tree/workbook/00_start_here.ipynb" in lab.address()
    assert lab.said().count("http://") == 1
    assert "are up" in lab.run("up")
    lab.end(signal.SIGKILL)
    wait_until(lambda: "No broker" in lab.run("status"), "the brokers' end", timeout=60)


def test_the_management_page_shows_a_queue_through_the_lab(lab):
    assert "are up" in lab.run("up")
    lab.start()
    base, token = re.match(r"(http://[^/]+/).*(token=\w+)", lab.address()).groups()
    places = settings.places(int(lab.environment["BREAKING_BROKERS_PORT_OFFSET"]))
    names = ["orders", "a/b c?#%2F+ü"]
    with pika.BlockingConnection(
        pika.ConnectionParameters(settings.HOST, places["rabbitmq"].port)
    ) as connection:
        for name in names:
            connection.channel().queue_declare(name, durable=True)

    def get(path: str) -> dict:
        request = urllib.request.Request(f"{base}rabbitmq/api/{path}")
        request.add_header("Authorization", "Basic " + b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    for name in names:
        assert get(f"queues/%2F/{quote(name, safe='')}?{token}")["name"] == name
    assert get(f"overview?{token}")["node"]


def test_brokers_that_ran_before_stay(lab):
    assert "are up" in lab.run("up")
    lab.start()
    lab.address()
    lab.end(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        wait_until(lambda: "No broker" in lab.run("status"), "an end", timeout=12)
