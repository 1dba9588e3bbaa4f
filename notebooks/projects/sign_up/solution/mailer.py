"""Writes a welcome mail to each person who has registered.

A mail can't be taken back, and no transaction holds it. So it is sent first and noted then; and its
Message-ID is made from the event: if it is sent again, the mail server knows it, as long as it remembers.
So whoever starts again sends first what was begun, and then what is new.

By hand: python mailer.py --brokers 127.0.0.1:9092 --name try --database FILE --smtp 127.0.0.1:25
"""

import json
import smtplib
from email.message import EmailMessage
from functools import partial

import subscriber
from events import REGISTERED

BEGUN = "CREATE TABLE IF NOT EXISTS begun (event TEXT PRIMARY KEY, content TEXT);"


def welcome(event):
    """The mail."""
    mail = EmailMessage()
    mail["Message-ID"] = f"<{event['id']}@sign-up.example>"
    mail["From"], mail["To"] = "shop@sign-up.example", event["data"]["email"]
    mail["Subject"] = f"Welcome, {event['data']['name']}"
    mail.set_content("You are registered.")
    return mail


def handle(args, database, event):
    """Send the mail, unless that is done; no transaction is open while the server takes its time."""
    if event["type"] != REGISTERED:
        return
    seen = database.execute("SELECT 1 FROM handled WHERE event = ?", [event["id"]]).fetchone()
    if seen:
        return
    with database:
        row = [event["id"], json.dumps(event)]
        database.execute("INSERT OR REPLACE INTO begun VALUES (?, ?)", row)
    with smtplib.SMTP(args.smtp) as server:
        server.send_message(welcome(event))
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
        handle(args, database, json.loads(content))
    subscriber.follow(args, "mailer", partial(handle, args, database))


if __name__ == "__main__":
    main()
