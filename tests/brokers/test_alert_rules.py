"""The alert rules of the lab on monitoring with their own times, held by promtool.

In the lab a minute lasts a second. `recorded_series.json` has what its Prometheus collected there on
the healthy day and under the ten faults (RabbitMQ 4.3, Kafka 4.3.1, November 2026), a sample for each
half minute, and what it noticed. On the same numbers, the rules as published notice the same.
"""

import json
from pathlib import Path

import pytest

from helpers import prometheus
from helpers.brokers import BrokerError, process
from helpers.programs import module

RECORDED = json.loads((Path(__file__).parent / "recorded_series.json").read_text())
LABELS = ("alertname", "queue", "consumergroup", "topic")
EVERY = "30s"

pytestmark = pytest.mark.native_files


@pytest.fixture
def rules():
    sets = module("alert_rules.py")
    return {"published": dict(sets.PUBLISHED), "strict": sets.STRICT, "ours": sets.OURS}


def test_rules_as_published_notice_what_they_notice_in_the_lab(rules, tmp_path):
    hold(rules, tmp_path)


def test_another_rule_is_found_out(rules, tmp_path):
    expression, lasting = rules["published"]["GroupLag"]
    rules["published"]["GroupLag"] = (expression.replace("50", "5000"), lasting)
    with pytest.raises(BrokerError, match="FAILED"):
        hold(rules, tmp_path)


def hold(rules, folder):
    """Have promtool evaluate them.

    Raises:
        BrokerError: something else is noticed.
    """
    groups = [
        {"name": name, "rules": [rule(name, alert, *one) for alert, one in of.items()]}
        for name, of in rules.items()
    ]
    series = [{"series": name, "values": text} for name, text in RECORDED["series"].items()]
    questions = [question for name in rules for question in asked(name)]
    test = {"interval": EVERY, "input_series": series, "promql_expr_test": questions}
    (folder / "rules.json").write_text(json.dumps({"groups": groups}))
    file = folder / "test.json"
    whole = {"rule_files": ["rules.json"], "evaluation_interval": EVERY, "tests": [test]}
    file.write_text(json.dumps(whole))
    promtool = prometheus.obtain() / "promtool"
    process.output("promtool", [promtool, "test", "rules", file])


def rule(name, alert, expression, lasting):
    return {"alert": alert, "expr": expression, "for": lasting, "labels": {"rules": name}}


def asked(name):
    """What is asked of a set's alerts, and the answer that the lab's Prometheus gave."""
    healthy, end = RECORDED["healthy_until"], RECORDED["until"]
    fired = f'max_over_time(ALERTS{{alertstate="firing", rules="{name}"%s}}[%dm])'
    yield question(
        f"count({fired % ('', healthy / 2)})", healthy, RECORDED["on_a_healthy_day"][name]
    )
    for fault, word in RECORDED["faults"].items():
        ways = (fired % (f', {label}="{word}"', (end - healthy) / 2) for label in LABELS)
        rang = int(fault in RECORDED["noticed"][name])
        yield question(" or ".join(f"group({way})" for way in ways), end, rang)


def question(expression, at, value):
    answer = [{"labels": "{}", "value": value}] if value else []
    return {"expr": expression, "eval_time": f"{at * 30}s", "exp_samples": answer}
