"""Where things are: a place that can't be used is a sentence that names the variable."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from helpers import settings
from helpers.brokers import BrokerError, external
from helpers.upkeep import lab

COMMANDS = ("install", "up", "status", "down", "doctor", "lab")


@pytest.mark.parametrize(
    "character", [",", ":", "'", '"', "\\", "`", "$", "*", "?", "[", "{", "\t", "\n", "😀"]
)
def test_a_character_that_a_broker_cant_take_is_refused_by_name(monkeypatch, tmp_path, character):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / f"Müller{character}Anna"))
    with pytest.raises(settings.SettingsError, match="BREAKING_BROKERS_CACHE") as caught:
        settings.cache_dir()
    assert repr(character) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Jane Doe", "Müller & Söhne; 100 % (#1)!", "日本"])
def test_other_characters_are_taken(monkeypatch, tmp_path, name):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path / name))
    assert settings.cache_dir() == tmp_path / name
    assert settings.cache_dir().is_dir()


def test_sets_of_ports_that_are_chosen_never_meet():
    from helpers.brokers import neighbours
    from helpers.brokers.places import epmd_port, every_place, keeper_port

    ports: set[int] = set()
    for offset in range(0, neighbours.END, neighbours.STEP):
        listens = {port for place in every_place(offset).values() for port in place.listens}
        mine = listens | {epmd_port(offset), keeper_port(offset)}
        assert not ports & mine
        ports |= mine


def without_a_home(command: str, home: str | None) -> subprocess.CompletedProcess[str]:
    """Run a command as a user whom /etc/passwd does not know, as OpenShift does."""
    own = {"PYTHONDONTWRITEBYTECODE": "1", "BREAKING_BROKERS_BACKEND": "native"}
    environment = {**os.environ, **own}
    for name in ("BREAKING_BROKERS_CACHE", "HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    if home is not None:
        environment["HOME"] = home
    python = Path(sys.executable)
    if python.resolve().is_relative_to("/root"):
        python = Path("/usr/bin/python3")  # this one is not for other users to run
        environment["PYTHONPATH"] = sysconfig.get_path("purelib")
    return subprocess.run(
        [python, "-m", "helpers", command],
        cwd=settings.CHECKOUT,
        env=environment,
        user=4711,
        group=4711,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("command", "home"), list(itertools.product(COMMANDS, [None, "/"])))
def test_a_user_without_a_home_is_told_the_variable(command, home):
    done = without_a_home(command, home)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "BREAKING_BROKERS_CACHE" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else_is_named_with_its_owner(monkeypatch):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(Path("/usr")))
    with pytest.raises(settings.SettingsError, match="belongs to user 0"):
        settings.cache_dir()


def test_a_lab_whose_home_is_not_writable_has_the_same_cache(monkeypatch, tmp_path):
    for name in ("BREAKING_BROKERS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # and afterwards as it was
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = settings.cache_dir()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    lab._have_a_home()
    assert os.environ["HOME"] != str(tmp_path)
    assert settings.cache_dir() == before


def test_each_variable_of_a_secured_kafka_becomes_an_option_that_its_clients_know(monkeypatch):
    monkeypatch.setattr(external, "_authority", lambda _: None)  # it would read the file
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "there:9093")
    for variable in external.SECURITY:
        monkeypatch.setenv(variable, variable.lower())
    options = external.kafka_options()
    for variable, option in external.SECURITY.items():
        assert options[option] == variable.lower()
    for client in (KafkaAdminClient, KafkaConsumer, KafkaProducer):
        assert set(options) <= set(client.DEFAULT_CONFIG)


@pytest.mark.parametrize("variable", ["KAFKA_SSL_CAFILE", "AMQP_CAFILE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_whose_file_cant_be_used_is_named(monkeypatch, tmp_path, variable, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "there:9093")
    monkeypatch.setenv("AMQP_URL", "amqps://there")
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(BrokerError, match=f"{variable} names {path}"):
        external.options()
