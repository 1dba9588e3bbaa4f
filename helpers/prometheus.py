"""A real Prometheus beside the brokers: it collects their numbers, and holds alert rules against them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from . import settings
from .brokers import debian, locks, process
from .brokers.errors import BrokerError
from .brokers.ports import free as free_ports
from .brokers.progress_line import Progress
from .pipeline import START_TIMEOUT, Program, started
from .waiting import wait_until

__all__ = ["Prometheus"]

PACKAGE = "prometheus"
PER_MINUTE = 2  # looks at each target, and at each rule
MINUTES = re.compile(r"\b(\d+)m\b")
Rules = Mapping[str, tuple[str, str]]


class Prometheus(Program):
    """A new and empty Prometheus on a free port of this machine; it serves when this returns.

    Twice a minute it collects from its targets and evaluates its rules. A minute may last less than
    60 seconds: then all its times, also those in the rules, are shorter by the same factor.

    Example:
        >>> rules = {"shop": {"QueueNotEmpty": ("rabbitmq_queue_messages > 0", "10m")}}
        >>> Prometheus({"rabbitmq": "http://…/metrics"}, rules, minute=1)  # doctest: +SKIP
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        rules: Mapping[str, Rules],
        minute: float = 60.0,
        history: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            targets: a job's name, and the address of its page of numbers.
            rules: sets of alerts: each alert's expression, and for how long it must hold before it
                fires. Times are whole minutes: ``"10m"``.
            minute: how long a minute lasts, in seconds.
            history: a file in the OpenMetrics format, with what it is to know from the start.

        Raises:
            BrokerError: there is no Prometheus for this machine, or it did not start; with what to do.
        """
        self._minute = minute
        self._binary = obtain()
        [port] = free_ports(1)
        self.url = f"http://{settings.HOST}:{port}"
        sees = lambda: self._sees(len(targets))  # noqa: E731
        super().__init__(PACKAGE, self._serve, PACKAGE, signal.SIGKILL, sees)
        (self.directory / "rules.json").write_text(json.dumps(self._rules(rules)))
        (self.directory / "prometheus.json").write_text(json.dumps(self._configuration(targets)))
        if history is not None:
            fill = ["tsdb", "create-blocks-from", "openmetrics", str(history), str(self.data)]
            process.output("promtool", [self._binary / "promtool", *fill])
        started(self)

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The labels and values that an expression in PromQL has, now or at a time of the past.

        Raises:
            ValueError: Prometheus can't evaluate it, or it has no labels; with what Prometheus says.
        """
        given = {"query": expression} if at is None else {"query": expression, "time": str(at)}
        found = self._ask("query", given)
        if found["resultType"] != "vector":
            raise ValueError(f"the expression is a {found['resultType']}, not a vector")
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def fired(self, rules: str, since: float) -> list[dict[str, str]]:
        """The labels of each alert of a set that fires now, or has fired ``since`` a time."""
        lasting = max(1, round((time.time() - since) * 1000))
        alerts = f'ALERTS{{alertstate="firing", rules="{rules}"}}'
        return [labels for labels, _ in self.query(f"max_over_time({alerts}[{lasting}ms])")]

    def let_pass(self, minutes: float) -> None:
        """Wait until every rule has been evaluated so much later than now."""
        until = time.time() + minutes * self._minute
        what = f"Prometheus to have evaluated its rules for {minutes:g} minutes"
        wait_until(lambda: self._evaluated() > until, what, minutes * self._minute + START_TIMEOUT)

    def _evaluated(self) -> float:
        """When the set of rules that was evaluated least lately was."""
        groups = self._ask("rules", {})["groups"]
        return min(datetime.fromisoformat(one["lastEvaluation"]).timestamp() for one in groups)

    def _ask(self, what: str, given: Mapping[str, str]) -> dict[str, Any]:
        address = f"{self.url}/api/v1/{what}?{urlencode(given)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return dict(json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def _sees(self, targets: int) -> bool:
        """Does it answer, and has it collected from so many targets?"""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                return len(self.query("up == 1")) == targets
        except OSError:
            return False

    def _serve(self, _token: str) -> process.CommandLine:
        flags = [
            f"--config.file={self.directory / 'prometheus.json'}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        return [self._binary / "prometheus", *flags], {}

    def _configuration(self, targets: Mapping[str, str]) -> dict[str, Any]:
        """Its configuration; JSON is YAML too."""
        every = f"{round(self._minute * 1000 / PER_MINUTE)}ms"
        return {
            "global": {"scrape_interval": every, "scrape_timeout": every}
            | {"evaluation_interval": every},
            "rule_files": ["rules.json"],
            "scrape_configs": [_job(name, address) for name, address in targets.items()],
        }

    def _rules(self, rules: Mapping[str, Rules]) -> dict[str, Any]:
        return {
            "groups": [
                {
                    "name": name,
                    "rules": [self._rule(name, alert, *rule) for alert, rule in of.items()],
                }
                for name, of in rules.items()
            ]
        }

    def _rule(self, rules: str, alert: str, expression: str, lasting: str) -> dict[str, Any]:
        shorter = partial(
            MINUTES.sub, lambda found: f"{round(int(found[1]) * self._minute * 1000)}ms"
        )
        rule = {"alert": alert, "expr": shorter(expression), "for": shorter(lasting)}
        return {**rule, "labels": {"rules": rules}}


def _job(name: str, address: str) -> dict[str, Any]:
    parts = urlsplit(address)
    return {
        "job_name": name,
        "metrics_path": parts.path,
        "params": parse_qs(parts.query),
        "static_configs": [{"targets": [parts.netloc]}],
    }


def obtain() -> Path:
    """Where its programs are: the machine's own, or Debian's package, unpacked in the cache without root.

    Raises:
        BrokerError: it can't be had; with what to do.
    """
    if installed := shutil.which(PACKAGE):
        return Path(installed).parent
    root = settings.cache_dir() / PACKAGE / "root"
    try:
        with locks.installing():
            _unpack(root)
    except debian.AptError as error:
        raise BrokerError(
            f"There is no Prometheus here. {error}\nInstall it (`brew install prometheus`), so that "
            "`prometheus --version` answers, and run this again."
        ) from error
    return root / "usr/bin"


def _unpack(root: Path) -> None:
    complete = root.with_name("complete")
    if complete.is_file():
        return
    if not debian.available():
        raise debian.AptError("Only Debian's and Ubuntu's package is unpacked by the course.")
    shutil.rmtree(root.parent, ignore_errors=True)
    with Progress("Fetching Prometheus") as progress:
        debian.unpack(PACKAGE, root, progress.update)
    complete.touch()
