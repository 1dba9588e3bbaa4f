"""Apache Flink, which computes on streams: the whole of it in one process of one's own, told by SQL."""

from __future__ import annotations

import json
import re
import shutil
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..brokers import files, jars, java, ports, process
from ..brokers.errors import BrokerError
from ..pipeline import Program, started
from ..settings import HOST
from ..waiting import wait_until

__all__ = ["LOCK", "Flink", "Job"]

LOCK = Path(__file__).with_name("flink.lock")
MAIN = "org.apache.flink.table.gateway.SqlGateway"
TIMEOUT = 100.0  # seconds; for what takes a few on a quiet machine
NEVER = "365 d"
SETTINGS = {
    "execution.target": "local",  # a cluster in this process for each job
    "parallelism.default": 1,
    "taskmanager.memory.managed.size": "16m",
    "taskmanager.memory.network.min": "8m",
    "taskmanager.memory.network.max": "8m",
    "pekko.ask.timeout": "60 s",  # else a busy machine is taken for a dead one
    "restart-strategy.type": "disable",  # what fails is to be seen
    "execution.checkpointing.interval": NEVER,  # when asked, and never else
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "sql-gateway.session.idle-timeout": NEVER,
    "sql-gateway.endpoint.rest.address": HOST,
    "sql-gateway.endpoint.rest.bind-address": HOST,  # here and below: else it listens to all networks
    "rest.bind-address": HOST,
    "jobmanager.bind-host": HOST,
    "taskmanager.bind-host": HOST,
    "taskmanager.host": HOST,
    "table.local-time-zone": "UTC",
}
FLAGS = ("-Xmx400m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
FROM = "execution.state-recovery.path"


class Flink(Program):
    """A Flink that takes SQL when this returns, and again after ``kill()`` and ``start()``.

    Then it knows no table and no job any more; the checkpoints are still on its disk.
    """

    def __init__(self) -> None:
        """Raises BrokerError: it did not start; with the end of its log."""
        [port] = ports.free(1)
        self._url = f"http://{HOST}:{port}/v1"
        super().__init__("flink", self._serve, "java", signal.SIGKILL, self._answers)
        java.write_class_path(self.directory / "class-path.args", jars.locked(LOCK))
        own = {
            "sql-gateway.endpoint.rest.port": port,
            "execution.checkpointing.dir": self.data.as_uri(),
        }
        lines = "".join(f"{key}: {value}\n" for key, value in {**SETTINGS, **own}.items())
        files.write(self.directory / "config.yaml", lines)
        started(self)

    def start(self) -> None:
        """Start it, unless it runs."""
        if not self.running():
            super().start()
            self._session = (
                f"{self._url}/sessions/{_asked(f'{self._url}/sessions', {})['sessionHandle']}"
            )

    def sql(self, statement: str) -> list[list[Any]]:
        """Have one statement done; returns the rows of the answer. A table that is created takes the
        place of one of that name, so that a cell can be run again.

        Raises:
            RuntimeError: it refuses; with what it says.
        """
        if created := re.match(r"\s*CREATE TABLE (\S+)", statement):
            self.sql(f"DROP TABLE IF EXISTS {created[1]}")
        done = _asked(f"{self._session}/statements", {"statement": statement})
        operation = f"{self._session}/operations/{done['operationHandle']}"
        wait_until(
            lambda: _asked(f"{operation}/status")["status"] in ("FINISHED", "ERROR"),
            f"Flink to have done {statement[:40]!r}",
            TIMEOUT,
            log=self.log_tail,
        )
        answer = _asked(f"{operation}/result/0?rowFormat=JSON")
        return [row["fields"] for row in answer["results"]["data"]]

    def submit(self, *inserts: str, checkpoint: Path | None = None) -> Job:
        """Start a job that does ``INSERT INTO … SELECT …``, one or several, until it is killed.

        Args:
            checkpoint: what an earlier job of the same kind left; begin there, and not anew.

        Raises:
            RuntimeError: it refuses; with what it says.
        """
        [port] = ports.free(1)
        self.sql(f"SET 'rest.port' = '{port}'")
        self.sql(f"SET '{FROM}' = '{checkpoint.as_uri()}'" if checkpoint else f"RESET '{FROM}'")
        [[number]] = self.sql(f"EXECUTE STATEMENT SET BEGIN {'; '.join(inserts)}; END")
        return Job(self, f"http://{HOST}:{port}/jobs/{number}", self.data / number)

    def _serve(self, token: str) -> process.CommandLine:
        scratch = self.directory / "scratch"  # a killed one leaves what it unpacked
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        flags = (*FLAGS, f"-Djava.io.tmpdir={scratch}")
        command = java.command(self.directory / "class-path.args", token, *flags)
        return [*command, MAIN], {"FLINK_CONF_DIR": str(self.directory)}

    def _answers(self) -> bool:
        try:
            return "version" in _asked(f"{self._url}/info")
        except OSError:
            return False


@dataclass(frozen=True)
class Job:
    """What Flink works at until it is killed."""

    flink: Flink
    url: str
    directory: Path

    def checkpoint(self) -> Path:
        """Have it write a checkpoint, and commit how far it has read; returns where that is.

        Raises:
            BrokerError: it could not; with the end of its log.
        """
        log = self.flink.log_tail
        wait_until(self._runs, "the job to run", TIMEOUT, log=log)
        number = self._asked("/checkpoints", {"checkpointType": "CONFIGURED"})["request-id"]
        asked = partial(self._asked, f"/checkpoints/{number}")
        wait_until(
            lambda: asked()["status"]["id"] == "COMPLETED", "the checkpoint", TIMEOUT, log=log
        )
        found = asked()["operation"]
        if "checkpointId" not in found:
            raise BrokerError(f"Flink wrote no checkpoint. Its log ends:\n{self.flink.log_tail()}")
        return self.directory / f"chk-{found['checkpointId']}"

    def _runs(self) -> bool:
        return all(step["status"] == "RUNNING" for step in self._asked()["vertices"])

    def _asked(self, path: str = "", told: Any = None) -> dict[str, Any]:
        try:
            return _asked(self.url + path, told)
        except OSError as error:  # its cluster ends with it
            raise BrokerError(
                f"The job has ended. Flink's log:\n{self.flink.log_tail()}"
            ) from error


def _asked(url: str, told: Any = None) -> dict[str, Any]:
    """What Flink answers over HTTP.

    Raises:
        RuntimeError: it refuses; with what it says.
        OSError: it doesn't answer.
    """
    body = None if told is None else json.dumps(told).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        said = "\n".join(json.load(error).get("errors", ["nothing"]))
        raise RuntimeError(f"Flink refuses: {_cause(said)}") from None


def _cause(said: str) -> str:
    """The innermost cause in what a Java program says."""
    return said.rpartition("Caused by: ")[2].partition("\n\tat ")[0].strip()
