"""Writes a welcome mail to each person who has registered. Works as long as nothing goes wrong.

By hand: python mailer.py --brokers 127.0.0.1:9092 --name try --database FILE --smtp 127.0.0.1:25
"""

import smtplib
from email.message import EmailMessage
from email.utils import make_msgid

import subscriber
from events import REGISTERED


def main():
    """Write mails until somebody ends us."""
    parser = subscriber.arguments(__doc__.partition(".")[0])
    parser.add_argument("--smtp", required=True, help="HOST:PORT of the mail server")
    args = parser.parse_args()

    def welcome(event):
        if event["type"] != REGISTERED:
            return
        mail = EmailMessage()
        mail["Message-ID"] = make_msgid()
        mail["From"], mail["To"] = "shop@sign-up.example", event["data"]["email"]
        mail["Subject"] = f"Welcome, {event['data']['name']}"
        mail.set_content("You are registered.")
        with smtplib.SMTP(args.smtp) as server:
            server.send_message(mail)

    subscriber.follow(args, "mailer", welcome)


if __name__ == "__main__":
    main()
