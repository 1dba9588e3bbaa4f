"""A patient that is an alert rule leaves the clinic when it rings where it should, and nowhere else."""

import pytest

from helpers.clinic.alerts import CONSUMERS, MESSAGES, BlindAlert
from tests.clinic.repairs import Repairs

pytestmark = [pytest.mark.usefixtures("live"), pytest.mark.native_files]

SUBTRACTED = f"{MESSAGES} > 0 unless on (vhost, queue) {CONSUMERS} > 0"
UNREAD = f"{MESSAGES} > 0 and on (vhost, queue) {CONSUMERS} == 0"


def rule(expression, lasting="5m"):
    def do(patient):
        patient.rule = (expression, lasting)

    return do


ANSWERS = {
    "blind alert": Repairs(
        right={
            "each virtual host": rule(UNREAD),
            "by subtraction": rule(SUBTRACTED),
        },
        wrong={
            "nothing": ("still_blind", lambda p: rule(*BlindAlert.KINDS[0])(p)),
            "another virtual host named": (
                "still_blind",
                lambda p: rule(
                    f'{MESSAGES} > 0 and on (vhost, queue) {CONSUMERS}{{vhost="{p.vhost}"}} == 0'
                )(p),
            ),
            "at once": ("false_alarm", rule(UNREAD, "0m")),
            "any order": ("false_alarm", rule(f"{MESSAGES} > 0", "0m")),
            "added up": ("labels", rule(BlindAlert.KINDS[2][0])),
            "for ever": ("still_blind", rule(UNREAD, "9999m")),
            "no PromQL": ("refused", rule("queues without workers")),
            "nothing at all": ("no_rule", lambda p: setattr(p, "rule", None)),
        },
    )
}


def test_answers(case):
    case.judge()
