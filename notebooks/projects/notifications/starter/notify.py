"""A worker of one channel: hands notifications to the provider. Works as long as nothing goes wrong.

By hand: python notify.py --broker amqp://guest:guest@127.0.0.1:5672 --name try --channel sms \
--provider 127.0.0.1:8080 --interval 0.1 --slots FILE
"""

import argparse
import http.client
import json
import smtplib
import time
import uuid
from email.message import EmailMessage
from functools import partial

import pika


def send_mail(provider, address, text):
    """One e-mail."""
    mail = EmailMessage()
    mail["Message-ID"] = f"<{uuid.uuid4()}@alerts.example>"
    mail["From"], mail["To"], mail["Subject"] = "alerts@shop.example", address, "Alert"
    mail.set_content(text)
    with smtplib.SMTP(provider) as server:
        server.send_message(mail)


def post(provider, address, text):
    """One SMS, or one message to a chat."""
    connection = http.client.HTTPConnection(provider)
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    connection.request("POST", "/", json.dumps({"to": address, "text": text}), headers)
    status = connection.getresponse().status
    connection.close()
    if status >= 300:
        raise OSError(f"the provider said {status}")


def notify(args, channel, method, _properties, body):
    """Called for each notification."""
    alert = json.loads(body)
    send = send_mail if args.channel == "email" else post
    try:
        send(args.provider, alert["to"][args.channel], alert["text"])
    except OSError:
        channel.basic_nack(method.delivery_tag, requeue=True)
    else:
        channel.basic_ack(method.delivery_tag)
    time.sleep(args.interval)


def main():
    """Notify until somebody ends us."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", required=True, help="amqp://…")
    parser.add_argument("--name", required=True, help="what all queues of this run begin with")
    parser.add_argument("--channel", choices=["email", "sms", "chat"], required=True)
    parser.add_argument("--provider", required=True, help="HOST:PORT")
    parser.add_argument(
        "--interval", type=float, required=True, help="seconds between two, at least"
    )
    parser.add_argument("--slots", help="a file that the channel's workers share")
    args = parser.parse_args()
    with pika.BlockingConnection(pika.URLParameters(args.broker)) as connection:
        channel = connection.channel()
        for queue in (args.channel, f"{args.channel}.parked"):
            channel.queue_declare(f"{args.name}.{queue}", durable=True)
        channel.basic_consume(f"{args.name}.{args.channel}", partial(notify, args))
        channel.start_consuming()


if __name__ == "__main__":
    main()
