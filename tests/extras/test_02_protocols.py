"""The grader of the lab on protocols tells right answers from wrong ones."""

import queue
import time

import pytest

from helpers.nodes import RabbitMQ
from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = needs("protocols", "rabbitmq-4")
HOUR = 3600  # seconds


def new_client(name, old_version=False, **more):
    import paho.mqtt.client as mqtt

    version = mqtt.MQTTv311 if old_version else mqtt.MQTTv5
    session = {"clean_session": False} if old_version else {}
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **session, **more
    )
    client.username_pw_set("guest", "guest")
    return client


def connect(client, port, clean=False, expiry=HOUR):
    import paho.mqtt.client as mqtt

    properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry
    client.connect("127.0.0.1", port, clean_start=clean, properties=properties)


def loop(client, seconds, again=True, leaves=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if client.loop(timeout=0.1) and again:
            time.sleep(0.2)
            client.reconnect()
    if leaves:
        client.unsubscribe(leaves)
        client.loop(timeout=0.5)
    client.disconnect()


def listen_with(
    clean=False, expiry=HOUR, qos=1, own_name=True, form=bytes, times=1, leaves=False, share=1.0,
    where="{}", again=True,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def listen(port, name, given, handle, seconds):
        topic = where.format(given)
        client = new_client({True: name, False: "listener", None: ""}[own_name])
        client.on_connect = lambda *_: client.subscribe(topic, qos=qos)

        def work(_client, _data, message):
            for _ in range(times):
                handle(form(message.payload))

        client.on_message = work
        connect(client, port, clean, expiry)
        loop(client, seconds * share, again, topic if leaves else None)

    return listen


def listen_by_the_older_version(port, name, topic, handle, seconds):
    """Right too: MQTT 3.1.1, whose sessions are kept unless they are to be clean."""
    client = new_client(name, old_version=True)
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: handle(message.payload)
    client.connect("127.0.0.1", port)
    loop(client, seconds)


def listen_and_acknowledge(port, name, topic, handle, seconds):
    """Right too: paho receives in a thread of its own, and is told by hand what is done."""
    client, got = new_client(name, manual_ack=True), queue.Queue()
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: got.put(message)
    connect(client, port)
    client.loop_start()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            message = got.get(timeout=left)
        except queue.Empty:
            break
        handle(message.payload)
        client.ack(message.mid, message.qos)
    client.disconnect()
    client.loop_stop()


def listen_and_handle_elsewhere(port, name, topic, handle, seconds):
    """Acknowledged when it is put into a queue, from which another thread handles it."""
    client, got = new_client(name), queue.Queue()
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: got.put(message.payload)
    connect(client, port)
    client.loop_start()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            handle(got.get(timeout=left))
        except queue.Empty:
            break
    client.disconnect()
    client.loop_stop()


def listen_and_handle_later(port, name, topic, handle, seconds):
    """Acknowledged when it is put into a list; handled at the end."""
    client, got = new_client(name), []
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: got.append(message.payload)
    connect(client, port)
    loop(client, seconds)
    for payload in got:
        handle(payload)


def listen_and_never_acknowledge(port, name, topic, handle, seconds):
    client = new_client(name, manual_ack=True)
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_message = lambda _client, _data, message: handle(message.payload)
    connect(client, port)
    loop(client, seconds)


ANSWERS = {
    "2.3": Answers(
        right={
            "reference": listen_with(),
            "MQTT 3.1.1": listen_by_the_older_version,
            "by hand": listen_and_acknowledge,
        },
        wrong={
            "a clean start": ("lost", listen_with(clean=True)),
            "a session that ends": ("lost", listen_with(expiry=0)),
            "at most once": ("lost", listen_with(qos=0)),
            "a session for a while": ("forgotten", listen_with(expiry=600)),
            "every topic": ("another_topic", listen_with(where="#")),
            "the topics beside it": ("another_topic", listen_with(where="readings/#")),
            "a name for all": ("lost", listen_with(own_name=False)),
            "no name": ("lost", listen_with(own_name=None)),
            "handled elsewhere": ("lost", listen_and_handle_elsewhere),
            "handled later": ("lost", listen_and_handle_later),
            "unsubscribed": ("lost", listen_with(leaves=True)),
            "connects once": ("lost", listen_with(again=False)),
            "never acknowledged": ("twice", listen_and_never_acknowledge),
            "handled twice": ("twice", listen_with(times=2)),
            "a text": ("no_bytes", listen_with(form=lambda payload: payload.decode())),
            "left early": ("left_early", listen_with(share=0.3)),
            "for ever": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    ),
}


@pytest.fixture(scope="module")
def node():
    with RabbitMQ({}, "mqtt") as one:
        yield one


def test_2_3(case, node):
    case.judge(node=node)
