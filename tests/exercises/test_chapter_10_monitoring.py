"""The grader of the lab on monitoring tells right answers from wrong ones."""

from tests.exercises.answers import Answers, ignoring, stub

OLDEST, COMMITTED = "kafka_topic_partition_oldest_offset", "kafka_consumergroup_current_offset"
HERE = "on (topic, partition) group_left ()"


def says(expression):
    """An answer that returns this."""
    return lambda: expression


def soon(window="10m", horizon=3600, match=HERE, less="<", oldest=OLDEST, committed=COMMITTED):
    """An answer that gets right what it is told to."""
    ahead = f"predict_linear({committed}[{window}], {horizon})"
    return says(f"{ahead} {less} {match} predict_linear({oldest}[{window}], {horizon})")


def by_margin(speed, limit="3600"):
    """The margin, held against a limit times the speed at which it shrinks."""
    shrinks = f"{speed}({OLDEST}[10m]) - {HERE.replace('left', 'right')} {speed}({COMMITTED}[10m])"
    return says(f"{COMMITTED} - {HERE} {OLDEST} < {limit} * ({shrinks})")


def summed(labels):
    sides = [f"sum by ({labels}) (predict_linear({m}[10m], 3600))" for m in (COMMITTED, OLDEST)]
    return says(f"{sides[0]} < on ({labels}) {sides[1]}")


def counted(labels):
    return says(f"count by ({labels}) ({soon()()})")


ANSWERS = {
    "10.3": Answers(
        right={
            "reference": soon(),
            "ignoring the group": soon(match="ignoring (consumergroup) group_left ()"),
            "margin and speed": by_margin("deriv"),
            "by delta": by_margin("delta", limit="6"),
        },
        wrong={
            "stub": ("not_attempted", stub),
            "for ever": ("no_deadline", ignoring()),
            "nothing": ("not_text", says(None)),
            "bytes": ("not_text", says(b"up == 1")),
            "a rule": ("not_text", says(("up == 1", "0m"))),
            "empty": ("refused", says("")),
            "a number": ("refused", says("1")),
            "no PromQL": ("refused", says("SELECT 1")),
            "by partition only": ("refused", soon(match="on (partition) group_left ()")),
            "no group_left": ("refused", soon(match="on (topic, partition)")),
            "all labels must match": ("missed", soon(match="")),
            "overtaken already": ("missed", says(f"{COMMITTED} < {HERE} {OLDEST}")),
            "an hour has 60": ("missed", soon(horizon=60)),
            "milliseconds": ("false_alarm", soon(horizon=3_600_000)),
            "in two hours": ("false_alarm", soon(horizon=7200)),
            "of the last hour": ("missed", soon(window="1h")),
            "of five minutes": ("false_alarm", soon(window="5m")),
            "of a quarter of an hour": ("missed", soon(window="15m")),
            "the other way round": ("missed", soon(less=">")),
            "zeros, too": ("false_alarm", soon(less="< bool")),
            "all readers": ("false_alarm", says(COMMITTED)),
            "slower than retention": (
                "missed",
                says(f"deriv({COMMITTED}[10m]) < {HERE} deriv({OLDEST}[10m])"),
            ),
            "a fixed margin": ("missed", says(f"{COMMITTED} - {HERE} {OLDEST} < 500")),
            "retention only": (
                "false_alarm",
                says(f"{COMMITTED} < {HERE} predict_linear({OLDEST}[10m], 3600)"),
            ),
            "the last two looks": ("false_alarm", by_margin("irate")),
            "summed by topic": ("missed", summed("topic")),
            "counted by group": ("labels", counted("consumergroup, topic")),
            "counted by topic": ("labels", counted("topic, partition")),
            "no labels": ("labels", says("vector(1)")),
            "a fixed lag": ("missed", says("kafka_consumergroup_lag > 50")),
        },
    )
}


def test_answers(case):
    case.judge()
