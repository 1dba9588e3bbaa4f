"""Writes a welcome mail to each person who has registered.

A mail can't be taken back, and no transaction holds it. So it is sent first and noted then; and its
Message-ID is made from the event: if it is sent again, the mail server knows it, as long as it remembers.
So whoever starts again sends first what was begun, and then what is new.

By hand: python mailer.py --brokers 127.0.0.1:9092 --name try --database FILE --smtp 127.0.0.1:25
"""

import json
import smtplib
from contextlib import suppress
from email.message import EmailMessage
from functools import partial

import subscriber
from events import REGISTERED, BadEventError

BEGUN = "CREATE TABLE IF NOT EXISTS begun (event TEXT PRIMARY KEY, content TEXT);"


def welcome(event):
    """The mail."""
    mail = EmailMessage()
    mail["Message-ID"] = f"<{event['id']}@sign-up.example>"
    mail["From"], mail["To"] = "shop@sign-up.example", event["data"]["email"]
    mail["Subject"] = f"Welcome, {event['data']['name']}"
    mail.set_content("You are registered.")
    return mail


def send(args, event):
    """Hand the mail to the mail server.

    Raises:
        BadEventError: no mail will ever get there.
    """
    person = event["data"]["email"]
    try:
        mail = welcome(event)
    except Exception as error:  # at some addresses the library fails, each time in another way
        raise BadEventError(f"no mail can be written to it: {error!r}") from error
    try:
        with smtplib.SMTP(args.smtp, timeout=60) as server:  # seconds that it may be silent
            server.send_message(mail, to_addrs=[person])
    except smtplib.SMTPNotSupportedError as error:
        raise BadEventError(f"the server can't send there: {error!r}") from error
    except smtplib.SMTPRecipientsRefused as error:
        code, said = error.recipients[person]
        if code < 500:  # it may be taken later
            raise
        raise BadEventError(f"the server refuses the address: {code} {said!r}") from error


def handle(args, database, event):
    """Send the mail, unless that is done; no transaction is open while the server takes its time.

    Raises:
        BadEventError: it can't be sent, and is no longer begun: the others' mails go on.
    """
    if event["type"] != REGISTERED:
        return
    seen = database.execute("SELECT 1 FROM handled WHERE event = ?", [event["id"]]).fetchone()
    if seen:
        return
    with database:
        row = [event["id"], json.dumps(event)]
        database.execute("INSERT OR REPLACE INTO begun VALUES (?, ?)", row)
    try:
        send(args, event)
    except BadEventError:
        with database:
            database.execute("DELETE FROM begun WHERE event = ?", [event["id"]])
        raise
    with database:
        subscriber.is_new(database, event)
        database.execute("DELETE FROM begun WHERE event = ?", [event["id"]])


def main():
    """Write mails until we are asked to end."""
    parser = subscriber.arguments(__doc__.partition("\n")[0])
    parser.add_argument("--smtp", required=True, help="HOST:PORT of the mail server")
    args = parser.parse_args()
    database = subscriber.connect(args, BEGUN)
    for (content,) in database.execute("SELECT content FROM begun").fetchall():
        with suppress(BadEventError):  # its record comes again, and is put aside then
            handle(args, database, json.loads(content))
    subscriber.follow(args, "mailer", partial(handle, args, database))


if __name__ == "__main__":
    main()
