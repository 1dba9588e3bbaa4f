"""What an alert is: ``{"id": "disk-7", "severity": "urgent", "text": "…", "to": {"sms": "+49 …"}}``."""

import json
import re

from queues import CHANNELS, SEVERITIES

FIELDS = {"id", "severity", "text", "to"}
IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")  # stands in a Message-ID and in a header
ADDRESS = re.compile(r"[A-Za-z0-9.+@#_-]{1,200}")  # nothing that means something to a protocol
LONGEST = 2000  # characters of a text


class BadAlertError(Exception):
    """What was received is no alert; the message says why."""


def read(body):
    """The alert in a message.

    Raises:
        BadAlertError: there is none.
    """
    try:
        alert = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAlertError(f"no JSON: {error}") from error
    if not isinstance(alert, dict) or alert.keys() != FIELDS:
        raise BadAlertError(f"an alert has {', '.join(sorted(FIELDS))}, and nothing else")
    if not _matches(IDENTIFIER, alert["id"]):
        raise BadAlertError("its id is not of letters, digits, dots, hyphens and underscores")
    if alert["severity"] not in SEVERITIES:
        raise BadAlertError(f"the severity {alert['severity']!r} is not known")
    if not _is_text(alert["text"]):
        raise BadAlertError(f"its text is not of 1 to {LONGEST} characters")
    _check_recipients(alert["to"])
    return alert


def _check_recipients(recipients):
    if not isinstance(recipients, dict) or not recipients:
        raise BadAlertError("it goes to nobody")
    for channel, address in recipients.items():
        if channel not in CHANNELS:
            raise BadAlertError(f"there is no channel {channel!r}")
        if not _matches(ADDRESS, address):
            raise BadAlertError(f"its address for {channel} is none")


def _matches(pattern, value):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value):
    if not isinstance(value, str) or not 0 < len(value.strip()) <= len(value) <= LONGEST:
        return False
    return not any("\ud800" <= sign <= "\udfff" for sign in value)  # halves of a sign
