"""A reader that speaks the protocol that it is told: it handles each order, then acknowledges it.

It prints "handled ORDER TIME" for each, TIME in seconds of a clock that all processes share.
"""

import argparse
import queue
from types import SimpleNamespace

import paho.mqtt.client as mqtt
import pika
from protocols import HOST, LOGIN, TOPIC, amqp_1_0, mqtt_client, queue_address, stomp_client
from proton import Timeout

from helpers.programs import asked_to_end, pause, say

PREFETCH = 10  # more orders than there are


def handle(args, body):
    """The work itself: here it prints the order's number."""
    order = int(bytes(body))
    if order == args.pause_at:
        pause()
    say("handled", order)


def read_amqp_0_9_1(args, node, leaving):
    """By pika: each is acknowledged by hand."""
    with pika.BlockingConnection(node.rabbitmq) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        print("ready")
        for method, _, body in channel.consume(args.place, inactivity_timeout=0.2):
            if method:
                handle(args, body)
                channel.basic_ack(method.delivery_tag)
            if leaving.is_set():
                return


def read_amqp_1_0(args, node, leaving):
    """By proton: each is accepted by hand."""
    with amqp_1_0(node) as connection:
        receiver = connection.create_receiver(queue_address(args.place), credit=PREFETCH)
        print("ready")
        while not leaving.is_set():
            try:
                message = receiver.receive(timeout=0.2)
            except Timeout:
                continue
            handle(args, message.body)
            receiver.accept()


def read_stomp(args, node, leaving):
    """By stomp.py: acknowledged when it is sent, unless told otherwise."""
    way = "client-individual" if args.careful else "auto"
    with stomp_client(node) as (client, heard):
        client.subscribe(f"/amq/queue/{args.place}", id="1", ack=way, receipt="subscribed")
        heard.receipts.get(timeout=20)
        print("ready")
        while not leaving.is_set():
            try:
                headers, body = heard.messages.get(timeout=0.2)
            except queue.Empty:
                if client.is_connected():
                    continue
                raise ConnectionError("the connection is lost") from None
            handle(args, body)
            if args.careful:
                client.ack(headers["ack"])


def read_mqtt(args, node, leaving):
    """By paho, at QoS 1: acknowledged when the work is done. The session ends with the connection,
    unless told otherwise."""
    work = lambda message: handle(args, message.payload)  # noqa: E731
    with mqtt_client(node, args.place, [TOPIC], keep=args.careful, handle=work) as client:
        print("ready")
        while not leaving.is_set():
            if (code := client.loop(timeout=0.2)) != mqtt.MQTT_ERR_SUCCESS:
                raise ConnectionError(mqtt.error_string(code))


READERS = {
    "amqp-0-9-1": read_amqp_0_9_1,
    "amqp-1.0": read_amqp_1_0,
    "stomp": read_stomp,
    "mqtt": read_mqtt,
}


def main():
    """Read until SIGTERM asks us to stop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("protocol", choices=READERS)
    parser.add_argument("place", help="a queue, or for MQTT the client's name")
    parser.add_argument("port", type=int, help="of AMQP")
    parser.add_argument("other_port", type=int, help="of the protocol, if it has one of its own")
    parser.add_argument("--careful", action="store_true", help="other settings than the usual ones")
    parser.add_argument("--pause-at", type=int, help="an order that takes long")
    args = parser.parse_args()

    login = pika.PlainCredentials(*LOGIN)
    node = SimpleNamespace(
        port=args.port,
        ports=dict.fromkeys(("mqtt", "stomp"), args.other_port),
        rabbitmq=pika.ConnectionParameters(HOST, args.port, credentials=login),
    )
    READERS[args.protocol](args, node, asked_to_end())


if __name__ == "__main__":
    main()
