"""The doctor names what is wrong and the remedy, and changes nothing."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import _free_offset
from helpers import settings
from helpers.brokers import external, jars
from helpers.brokers.places import single
from helpers.upkeep import doctor

pytestmark = pytest.mark.usefixtures("no_brokers_asked_for")


@pytest.fixture
def foreign_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """A port of the course's that somebody else (this process) holds."""
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "native")
    monkeypatch.setenv("BREAKING_BROKERS_PORT_OFFSET", str(_free_offset()))
    with socket.socket() as stranger:
        stranger.bind((settings.HOST, single("kafka").port))
        stranger.listen()
        yield single("kafka").port


def found(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


def test_a_foreign_port_is_named_with_its_holder(foreign_port):
    finding = found(f"port {foreign_port}")
    assert not finding.ok
    assert str(os.getpid()) in finding.seen
    assert "BREAKING_BROKERS_PORT_OFFSET" in finding.remedy


@pytest.mark.native_files
@pytest.mark.parametrize(
    ("name", "lock"),
    [("Kafka's files", jars.KAFKA_LOCK), ("Connect's files", jars.PIPELINE_LOCK)],
)
def test_a_damaged_jar_is_found(monkeypatch, tmp_path, name, lock):
    jar = next(iter(jars.locked(lock)))
    whole = jar.path().read_bytes()
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    damaged = jar.path()
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(whole[:-1])
    finding = found(name)
    assert "damaged" in finding.seen
    assert "install" in finding.remedy
    assert damaged.read_bytes() == whole[:-1]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("BREAKING_BROKERS_PORT_OFFSET", "many"), ("BREAKING_BROKERS_BACKEND", "podman")],
)
def test_a_bad_variable_is_said_and_ends_the_examination(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    last = list(doctor.examine())[-1]
    assert not last.ok
    assert variable in last.remedy
    assert value in last.remedy


def test_whose_brokers_are_examined_is_what_up_would_use(monkeypatch):
    monkeypatch.setenv("AMQP_URL", "not an address")
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "native")
    names = {finding.name for finding in doctor.examine()}
    assert f"port {single('kafka').port}" in names
    assert "brokers" not in names
    monkeypatch.delenv("BREAKING_BROKERS_BACKEND")
    assert "AMQP_URL" in found("brokers").remedy


def test_external_brokers_that_are_asked_for_must_be_named(monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_BACKEND", "external")
    finding = found("brokers")
    assert not finding.ok
    assert "KAFKA_BOOTSTRAP_SERVERS" in finding.remedy
    assert "AMQP_URL" in finding.remedy


def test_the_exit_status_tells(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("disk", "full", "Free some.")])
    assert doctor.main() == 1
    assert "Free some." in capsys.readouterr().out
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("disk", "fine")])
    assert doctor.main() == 0


def test_java_is_asked_without_the_options_of_the_environment(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx64m")
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:+NoSuchOption")
    assert found("Java").seen.startswith("openjdk 25")


def test_a_file_in_the_way_is_named(monkeypatch, tmp_path):
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "pika.py").write_text("")
    monkeypatch.setattr(doctor, "WORKBOOK", tmp_path)
    finding = found("names of files")
    assert str(tmp_path / "labs" / "pika.py") in finding.seen
    assert "another name" in finding.remedy


def test_a_limit_on_what_java_may_reserve_is_found():
    ask = "from helpers.upkeep import doctor; print(doctor._memory())"
    limited = ["/bin/sh", "-c", 'ulimit -v 4000000 && exec "$0" -c "$1"', sys.executable, ask]
    done = subprocess.run(limited, capture_output=True, text=True)
    assert "4.1 GB" in done.stdout, done.stderr
    assert "ulimit -v unlimited" in done.stdout


@pytest.mark.parametrize(
    ("files", "remedy"),
    [(resource.RLIM_INFINITY, "65536"), (2**30, "65536"), (256, "4096"), (4096, "")],
)
def test_too_few_open_files_and_no_limit_are_found(monkeypatch, files, remedy):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    finding = doctor._open_files()
    assert finding.ok == (not remedy)
    assert remedy in finding.remedy


def test_brokers_of_somebody_else_are_named_without_a_password(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "alice")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush-kafka")
    monkeypatch.setenv("AMQP_URL", "amqp://bob:hush-rabbit@127.0.0.1:9/%2F")
    kafka, rabbitmq = list(doctor.examine())[-2:]
    assert "somebody else's, at 127.0.0.1:9, as alice (KAFKA_BOOTSTRAP_SERVERS)" in kafka.seen
    assert "somebody else's, at 127.0.0.1:9, vhost /, as bob (AMQP_URL)" in rabbitmq.seen
    assert not kafka.ok
    assert not rabbitmq.ok
    assert "hush" not in f"{kafka} {rabbitmq}"


def test_an_address_of_blanks_is_none(monkeypatch):
    monkeypatch.setenv("AMQP_URL", " ")
    assert not external.chosen()


def test_a_password_that_breaks_the_address_is_not_shown(monkeypatch):
    monkeypatch.setenv("AMQP_URL", "amqp://bob:hush/rabbit@127.0.0.1/")
    last = list(doctor.examine())[-1]
    assert "AMQP_URL can't be read" in last.remedy
    assert "hush" not in str(last)
