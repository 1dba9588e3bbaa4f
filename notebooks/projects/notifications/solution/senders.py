"""How a notification is handed to a provider: e-mail over SMTP, SMS and chat over HTTP.

Each bears a key that is the same in every try, made from the alert and the channel. A provider that
remembers keys delivers it once, however often it is sent.
"""

import http.client
import json
import smtplib
from email.message import EmailMessage

TIMEOUT = 2  # seconds that a provider is given
PASSING = 408, 425, 429  # of the answers from 400 to 499, those that may be another one later


class PassingError(Exception):
    """It may succeed later. Whether this one was delivered is not known."""


class HopelessError(Exception):
    """The provider has said that it will never take this."""


def send(channel, provider, alert):
    """Hand it over, and return when the provider has taken it.

    Raises:
        PassingError: nobody answers, or the provider is not well.
        HopelessError: the provider does not want it.
    """
    key = f"{alert['id']}.{channel}"
    try:
        sender = _mail if channel == "email" else _post
        sender(provider, alert["to"][channel], alert["text"], key)
    except (OSError, http.client.HTTPException) as error:  # all of SMTP's are an OSError, too
        raise PassingError(f"no answer: {error!r}") from error


def _mail(provider, address, text, key):
    mail = EmailMessage()
    mail["Message-ID"] = f"<{key}@alerts.example>"
    mail["From"], mail["To"], mail["Subject"] = "alerts@shop.example", address, "Alert"
    mail.set_content(text)
    try:
        with smtplib.SMTP(provider, timeout=TIMEOUT) as server:
            server.send_message(mail, to_addrs=[address])
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        _judge(code >= 500, f"{code} {said!r}")
    except smtplib.SMTPResponseException as error:
        _judge(error.smtp_code >= 500, f"{error.smtp_code} {error.smtp_error!r}")


def _post(provider, address, text, key):
    body = json.dumps({"to": address, "text": text})
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    connection = http.client.HTTPConnection(provider, timeout=TIMEOUT)
    try:
        connection.request("POST", "/", body, headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 300:
        _judge(400 <= status < 500 and status not in PASSING, f"HTTP status {status}")


def _judge(is_hopeless, said):
    raise (HopelessError if is_hopeless else PassingError)(f"the provider said {said}")
