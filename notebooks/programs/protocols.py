"""The same order by four protocols: how each client publishes it, and what each finds in it.

``node`` is a RabbitMQ of the lab's own (`helpers.nodes`), which speaks MQTT and STOMP as well.
"""

import contextlib
import queue
import threading
import time
from urllib.parse import quote

import paho.mqtt.client as mqtt
import pika
import proton
import stomp
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from proton.utils import BlockingConnection

HOST, LOGIN = "127.0.0.1", ("guest", "guest")
KEY, TOPIC = "orders.new", "orders/new"  # the same, as AMQP and as MQTT writes it
ADDRESS = f"/exchanges/amq.topic/{KEY}"  # the same for AMQP 1.0
PATIENCE = 20.0  # seconds


# -- publish ----------------------------------------------------------------------------------


def publish_amqp_0_9_1(node, body=b"order 1"):
    """By pika. The numbers of AMQP 0-9-1 have a type, and a truth value is one."""
    properties = pika.BasicProperties(
        content_type="text/plain",
        message_id="m-1",
        correlation_id="c-1",
        expiration="60000",  # milliseconds
        delivery_mode=2,
        headers={"country": "CH", "amount": 7, "gift": True},
    )
    with pika.BlockingConnection(node.rabbitmq) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("amq.topic", KEY, body, properties)
    return dict(NINE)


def publish_amqp_1_0(node, body=b"order 1"):
    """By proton. The body is a value with a type, or bytes."""
    message = proton.Message(
        body=body,
        inferred=isinstance(body, bytes),  # bytes as they are, not as a value
        content_type="text/plain",
        id="m-1",
        correlation_id="c-1",
        ttl=60,  # seconds
        durable=True,
        properties={"country": "CH", "amount": 7, "gift": True},
    )
    with amqp_1_0(node) as connection:
        connection.create_sender(ADDRESS).send(message)
    return {**NINE, "body": body}


def publish_mqtt(node, body=b"order 1"):
    """By paho. MQTT 5 has no message id, and its user properties are texts."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "text/plain"
    properties.CorrelationData = b"c-1"
    properties.MessageExpiryInterval = 60  # seconds
    properties.UserProperty = [("country", "CH"), ("amount", "7"), ("gift", "true")]
    with mqtt_client(node, "writer") as client:
        sent = client.publish(TOPIC, body, qos=1, properties=properties)
        sent.wait_for_publish(PATIENCE)  # which returns, also when the time is over
        if not sent.is_published():
            raise TimeoutError(f"no PUBACK within {PATIENCE:g} s")
    return {**NINE, "message id": None, "amount": "7", "gift": "true"}


def publish_stomp(node, body=b"order 1"):
    """By stomp.py. All headers are texts."""
    headers = {
        "amqp-message-id": "m-1",
        "correlation-id": "c-1",
        "expiration": "60000",
        "persistent": "true",
        "country": "CH",
        "amount": "7",
        "gift": "true",
        "receipt": "r-1",
    }
    with stomp_client(node) as (client, heard):
        client.send(f"/topic/{KEY}", body, content_type="text/plain", headers=headers)
        heard.receipts.get(timeout=PATIENCE)
    return {**NINE, "amount": "7", "gift": "true"}


NINE = {
    "body": b"order 1",
    "content type": "text/plain",
    "message id": "m-1",
    "correlation id": "c-1",
    "expires": True,
    "is kept": True,
    "country": "CH",
    "amount": 7,
    "gift": True,
}


def queue_address(name):
    """What AMQP 1.0 calls a queue on RabbitMQ."""
    return f"/queues/{quote(name, safe='')}"


# -- read -------------------------------------------------------------------------------------


def read_amqp_0_9_1(node, name):
    """Take one message of a queue by pika: what is in it."""
    with pika.BlockingConnection(node.rabbitmq) as connection:
        _, found, body = connection.channel().basic_get(name, auto_ack=True)
    return {
        "body": body,
        "content type": found.content_type,
        "message id": found.message_id,
        "correlation id": found.correlation_id,
        "expires": bool(found.expiration),
        "is kept": found.delivery_mode == 2,
        **(found.headers or {}),
    }


def read_amqp_1_0(node, name):
    """Take one message of a queue by proton."""
    with amqp_1_0(node) as connection:
        receiver = connection.create_receiver(queue_address(name))
        found = receiver.receive(timeout=PATIENCE)
        receiver.accept()
    return {
        "body": _plain(found.body),
        "content type": found.content_type and str(found.content_type),
        "message id": found.id,
        "correlation id": _text(found.correlation_id),
        "expires": bool(found.ttl),
        "is kept": found.durable,
        **(found.properties or {}),
    }


def read_stomp(node, name):
    """Take one message of a queue by stomp.py."""
    with stomp_client(node) as (client, heard):
        client.subscribe(f"/amq/queue/{name}", id="1", ack="auto")
        headers, body = heard.messages.get(timeout=PATIENCE)
    return {
        **headers,
        "body": body if isinstance(body, bytes) else body.encode(),
        "content type": headers.get("content-type"),
        "message id": headers.get("amqp-message-id"),
        "correlation id": headers.get("correlation-id"),
        "expires": "expiration" in headers,
        "is kept": headers.get("persistent") == "true",
    }


def of_mqtt(found):
    """What is in a message that paho has received."""
    return {
        "body": found.payload,
        "content type": getattr(found.properties, "ContentType", None),
        "message id": None,
        "correlation id": _text(getattr(found.properties, "CorrelationData", None)),
        "expires": hasattr(found.properties, "MessageExpiryInterval"),
        "is kept": found.qos == 1,
        **dict(getattr(found.properties, "UserProperty", [])),
    }


def _plain(body):
    return bytes(body) if isinstance(body, memoryview) else body


def _text(value):
    return bytes(value).decode() if isinstance(value, bytes | memoryview) else value


# -- connect ----------------------------------------------------------------------------------


@contextlib.contextmanager
def amqp_1_0(node):
    """AMQP 1.0 comes to the same port as AMQP 0-9-1."""
    address = f"amqp://{':'.join(LOGIN)}@{HOST}:{node.port}"
    connection = BlockingConnection(address, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def mqtt_client(node, name, topics=(), keep=False, handle=None):
    """A client of MQTT 5 that is connected, and has subscribed to these topics at QoS 1.

    What it receives is in its queue ``got``. Or it hands it to ``handle``, whenever somebody calls its
    ``loop``, and acknowledges it when that returns. With ``keep`` the broker keeps the session of that name
    for an hour: what it has subscribed to, and what has come for it.
    """
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    client.username_pw_set(*LOGIN)
    subscribed, connected = threading.Event(), threading.Event()

    def on_connect(_client, _data, _flags, reason, _properties):
        if not reason.is_failure:  # it is called for a refusal, too
            connected.set()

    client.got = queue.Queue()
    client.on_message = lambda _client, _data, message: (handle or client.got.put)(message)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_connect = on_connect
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 3600 if keep else 0  # seconds
    client.connect(HOST, node.ports["mqtt"], clean_start=not keep, properties=session)
    if not handle:
        client.loop_start()
    try:
        _wait(client, connected, handle)
        if topics:
            client.subscribe([(topic, 1) for topic in topics])
            _wait(client, subscribed, handle)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _wait(client, answered, by_loop):
    end = time.monotonic() + PATIENCE
    while not answered.is_set():
        if by_loop:
            client.loop(timeout=0.1)
        if time.monotonic() > end:
            raise TimeoutError(f"the broker has not answered for {PATIENCE:g} s")
        answered.wait(0 if by_loop else 0.1)


class _Heard(stomp.ConnectionListener):
    def __init__(self):
        self.messages, self.receipts = queue.Queue(), queue.Queue()

    def on_message(self, frame):
        self.messages.put((frame.headers, frame.body))

    def on_receipt(self, frame):
        self.receipts.put(frame)


@contextlib.contextmanager
def stomp_client(node):
    """A client of STOMP that is connected, and what it has heard: ``messages``, ``receipts``."""
    heard = _Heard()
    client = stomp.Connection12([(HOST, node.ports["stomp"])], vhost="/", auto_decode=False)
    client.set_listener("", heard)
    client.connect(*LOGIN, wait=True)
    try:
        yield client, heard
    finally:
        client.disconnect()
