"""The commands: their exit statuses, and a console that is not UTF-8."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from conftest import _free_offset
from helpers import settings
from helpers.brokers import locks

HELPERS = [sys.executable, "-m", "helpers"]
REFUSING = """
import errno, fcntl, sys
def refuse(*_): raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = refuse
from helpers.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """Each set of ports that is looked at has a directory there."""
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"BREAKING_BROKERS_BACKEND": "native", "BREAKING_BROKERS_PORT_OFFSET": "0"}
    return subprocess.run(
        [*HELPERS, *arguments],
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        errors="replace",
    )


FULL = """
import errno, sys
from helpers import brokers
def full(*_, **__): raise OSError(errno.ENOSPC, "No space left on device", "/cache/lock")
brokers.down = full
from helpers.__main__ import main
sys.exit(main(["down"]))
"""


def test_a_full_disk_is_a_sentence():
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("The disk is full")
    assert "(/cache/lock)" in done.stderr


def test_a_reader_that_has_seen_enough_gets_no_traceback():
    command = [*HELPERS, "scorecard"]
    written = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    written.stdout.close()
    assert b"Traceback" not in written.stderr.read()
    written.stderr.close()
    assert written.wait() == 1


def test_without_assertions_nothing_is_begun():
    command = [sys.executable, "-O", "-c", "from helpers import up; up()"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "PYTHONOPTIMIZE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (["status"], {"BREAKING_BROKERS_PORT_OFFSET": "6999"}, 0),
        (["scorecard"], {}, 0),
        (["progress"], {}, 0),
        (["--help"], {}, 0),
        (["status"], {"BREAKING_BROKERS_PORT_OFFSET": "many"}, 1),
        (["audit"], {"BREAKING_BROKERS_PORT_OFFSET": "6999"}, 1),
        (["up"], {"BREAKING_BROKERS_BACKEND": "podman"}, 1),
        (["down"], {"BREAKING_BROKERS_CACHE": "/proc/nowhere"}, 1),
        (["doctor"], {"BREAKING_BROKERS_CACHE": "/proc/nowhere"}, 1),
        (["refresh", "no-such.ipynb"], {}, 1),
        ([], {}, 2),
        (["start"], {}, 2),
        (["status", "--loudly"], {}, 2),
        (["kafka"], {}, 2),
        (["kafka", "nothing"], {}, 2),
    ],
)
def test_the_exit_status_says_how_it_went(arguments, environment, status):
    done = run(*arguments, **environment)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("tool", "name"),
    [(["kafka", "topics", "--list"], "Kafka"), (["rabbitmqctl", "-q"], "RabbitMQ")],
)
def test_a_tool_without_its_broker_says_what_to_do(tool, name):
    done = run(*tool, BREAKING_BROKERS_PORT_OFFSET=str(_free_offset()))
    assert done.returncode == 1
    assert f"{name} does not answer at 127.0.0.1:" in done.stderr
    assert "`python -m helpers up` starts it" in done.stderr
    done = run(*tool, BREAKING_BROKERS_BACKEND="external", KAFKA_BOOTSTRAP_SERVERS="there:9092")
    assert done.returncode == 1
    assert "Use the tools of that installation" in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_so(monkeypatch, number, status):
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(_free_offset()))
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "native")
    with locks.held(settings.run_dir() / "brokers.lock", "Waiting"):
        waiting = subprocess.Popen(
            [*HELPERS, "down"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "Waiting for another process" in waiting.stdout.readline()
        waiting.send_signal(number)
        _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == status
    assert "Traceback" not in errors


def test_the_doctor_does_not_die_of_its_own_arrow():
    somebodys = {
        "BREAKING_BROKERS_BACKEND": "external",
        "KAFKA_BOOTSTRAP_SERVERS": "http://nowhere",
    }
    done = run("doctor", PYTHONIOENCODING="ascii", **somebodys)
    assert done.returncode == 1
    assert "? KAFKA_BOOTSTRAP_SERVERS names 'http://nowhere'" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["up", "down", "install"])
def test_a_disk_without_locks_is_a_sentence(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, command],
        env={
            **os.environ,
            "BREAKING_BROKERS_CACHE": str(tmp_path),
            "BREAKING_BROKERS_BACKEND": "native",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "No locks available" in done.stderr
    assert str(tmp_path) in done.stderr
    assert "BREAKING_BROKERS_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
