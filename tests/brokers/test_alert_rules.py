"""The alert rules of the lab on monitoring with their own times, held by promtool.

In the lab a minute lasts a second. `recorded_series.json` has what its Prometheus collected there on
the healthy day and under the eleven faults (RabbitMQ 4.3, Kafka 4.3.1, December 2026), a sample for
each half minute, and what it noticed; `tests/record_series.py` has recorded it. On the same numbers,
the rules as published notice the same.
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

LENGTH = "rabbitmq_detailed_queue_messages"
ACKED = "rabbitmq_detailed_channel_messages_acked_total"
UNLESS = f" unless on (vhost, queue) increase({ACKED}[5m]) > 0"
ABOUT = '{vhost="/", queue="orders"}'
BUSY = {  # at each look it has one order, another one each time
    LENGTH + ABOUT: "1x60",
    ACKED + '{vhost="/", queue="orders", channel="1"}': "0+9x60",
}
ABANDONED = {LENGTH + ABOUT: "5+2x60"}  # orders come, and no worker has ever been there

pytestmark = pytest.mark.native_files


@pytest.fixture
def rules():
    sets = module("alert_rules.py")
    return {"published": dict(sets.PUBLISHED), "strict": sets.STRICT, "ours": dict(sets.OURS)}


def test_rules_as_published_notice_what_they_notice_in_the_lab(rules, tmp_path):
    hold(rules, tmp_path)


@pytest.mark.parametrize(
    ("of", "alert", "old", "new"),
    [
        pytest.param("published", "GroupLag", "50", "5000", id="a limit that is too high"),
        pytest.param(
            "ours",
            "QueueStandsStill",
            UNLESS,
            f" and changes({LENGTH}[5m]) == 0",
            id="the length, which changes while orders come",
        ),
        pytest.param(
            "ours",
            "QueueStandsStill",
            UNLESS,
            "",
            id="whether there is work, which there is on a healthy day",
        ),
    ],
)
def test_another_rule_is_found_out(rules, tmp_path, of, alert, old, new):
    expression, lasting = rules[of][alert]
    assert old in expression
    rules[of][alert] = (expression.replace(old, new), lasting)
    with pytest.raises(BrokerError, match="FAILED"):
        hold(rules, tmp_path)


@pytest.mark.parametrize(("series", "rings"), [(BUSY, 0), (ABANDONED, 1)])
def test_a_queue_stands_still_if_nothing_is_acknowledged_whatever_its_length(
    rules, tmp_path, series, rings
):
    firing = 'count(ALERTS{alertstate="firing", rules="ours"})'
    evaluate({"ours": rules["ours"]}, series, [question(firing, 60, rings)], tmp_path)


def hold(rules, folder):
    """Have promtool evaluate them on what was recorded.

    Raises:
        BrokerError: something else is noticed.
    """
    evaluate(rules, RECORDED["series"], [one for name in rules for one in asked(name)], folder)


def evaluate(rules, series, questions, folder):
    """Have promtool evaluate them, and ask.

    Raises:
        BrokerError: an answer is another.
    """
    groups = [
        {"name": name, "rules": [rule(name, alert, *one) for alert, one in of.items()]}
        for name, of in rules.items()
    ]
    given = [{"series": name, "values": text} for name, text in series.items()]
    test = {"interval": EVERY, "input_series": given, "promql_expr_test": questions}
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
