"""What Prometheus is told: where to look, how often, and rules whose minutes are shorter."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from helpers import prometheus
from helpers.brokers import BrokerError, debian, lifecycle, marks
from helpers.prometheus import Prometheus

RULES = {"shop": {"Behind": ("rate(x[5m] offset 1m) > 10", "10m"), "Down": ("up == 0", "0m")}}
TARGETS = {"queues": "http://127.0.0.1:15692/metrics/detailed?family=a&family=b"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, dict]:
    """Its two files, for a minute of two seconds; it is not started."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(marks, "sweep", list)
    monkeypatch.setattr(prometheus, "obtain", lambda: Path("/nowhere"))
    monkeypatch.setattr(Prometheus, "start", lambda self: None)
    monkeypatch.setattr(lifecycle, "wait_ready", lambda *_: None)
    with Prometheus(TARGETS, RULES, minute=2) as one:
        return {
            name: json.loads((one.directory / f"{name}.json").read_text())
            for name in ("rules", "prometheus")
        }


def test_all_times_are_shorter_by_one_factor(told):
    [group] = told["rules"]["groups"]
    assert [(rule["expr"], rule["for"]) for rule in group["rules"]] == [
        ("rate(x[10000ms] offset 2000ms) > 10", "20000ms"),
        ("up == 0", "0ms"),
    ]
    assert {rule["labels"]["rules"] for rule in group["rules"]} == {"shop"}
    times = told["prometheus"]["global"]
    assert times["scrape_interval"] == times["evaluation_interval"] == "1000ms"


def test_an_address_with_a_query_is_asked_for_all_of_it(told):
    [job] = told["prometheus"]["scrape_configs"]
    assert job["metrics_path"] == "/metrics/detailed"
    assert job["params"] == {"family": ["a", "b"]}
    assert job["static_configs"] == [{"targets": ["127.0.0.1:15692"]}]


def test_without_a_package_it_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(debian, "available", lambda: False)
    with pytest.raises(BrokerError, match="brew install prometheus"):
        prometheus.obtain()


def test_what_came_half_is_fetched_again(monkeypatch, tmp_path):
    monkeypatch.setenv("BREAKING_BROKERS_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(debian, "available", lambda: True)
    fetched = []

    def unpack(package, root, say):
        root.mkdir(parents=True)
        fetched.append(package)
        if len(fetched) == 1:
            raise debian.AptError("no network")

    monkeypatch.setattr(debian, "unpack", unpack)
    with pytest.raises(BrokerError, match="no network"):
        prometheus.obtain()
    assert prometheus.obtain() == prometheus.obtain()
    assert fetched == ["prometheus", "prometheus"]
