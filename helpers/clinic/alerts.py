"""A patient that is an alert rule: it does not ring."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pika

from .. import clients
from ..brokers import RabbitMQCluster, rabbitmq_cluster
from ..exercises.answers import Wrong
from ..names import fresh
from ..programs import Program
from ..prometheus import Prometheus
from ..waiting import wait_until
from .patient import PATIENCE, Patient, eventually

MESSAGES, CONSUMERS = "rabbitmq_detailed_queue_messages", "rabbitmq_detailed_queue_consumers"
FAMILIES = "family=queue_coarse_metrics&family=queue_consumer_count"
LONGEST = 10  # minutes until somebody is woken
MINUTE = 1.0  # seconds that a minute lasts


class BlindAlert(Patient):
    """An alert for queues that nobody reads sees some of them only."""

    name = "blind alert"
    symptoms = (
        "For two days 40 orders have lain in a queue without a worker, and no telephone rang. We have an "
        "alert for just that. It was tested when it was written: it rang then."
    )
    in_hand: ClassVar = {
        "rule": "the alert: its expression in PromQL, and for how long that must hold; assign another one: "
        '`patient.rule = ("…", "5m")`',
        "cluster": "the RabbitMQ node, as `rabbitmq_cluster(1)` returns it",
        "queue": "the queue that nobody reads, in the virtual host `patient.vhost`",
        "prometheus": "a Prometheus that collects from the node; a minute lasts one second here, also in "
        "rules: `patient.prometheus.query(patient.rule[0])`",
    }
    hints = (
        "Ask for the parts of the expression, one by one: `patient.prometheus.query(…)`. Which of them "
        "has the queue, and which lacks it?",
        "What do the labels in the expression leave out, and which labels must both sides share?",
        f"A rule that holds in each virtual host: `{MESSAGES} > 0 and on (vhost, queue) {CONSUMERS} == 0`. "
        "It should wait for some minutes, since a worker may be restarted, and for ten at most.",
    )
    KINDS = (
        (f'{MESSAGES} > 0 and on (vhost, queue) {CONSUMERS}{{vhost="/"}} == 0', "5m"),
        (f"sum({MESSAGES}) > 0 and sum({CONSUMERS}) == 0", "5m"),
        (f"sum by (queue) ({MESSAGES}) > 0 and sum by (queue) ({CONSUMERS}) == 0", "5m"),
        (f"{MESSAGES} > 100 and on (vhost, queue) {CONSUMERS} == 0", "5m"),
        (f"{MESSAGES} > 0 and on (vhost, queue) {CONSUMERS} == 0", "9999m"),
    )

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.cluster = rabbitmq_cluster(1)
        self.prometheus: Prometheus | None = None
        self.vhost, self.queue = fresh("shop"), fresh("orders")
        self._other_vhost = fresh("shop")

    @property
    def brokers(self) -> RabbitMQCluster:
        return self.cluster

    def break_it(self) -> None:
        self.rule = self.data.choice(self.KINDS)
        self.cluster.ctl(1, "set_disk_free_limit", "50MB")
        for vhost in (self.vhost, self._other_vhost):
            self._new_vhost(vhost)
        self._targets = {"queues": f"{self.cluster.metrics(1)}/metrics/detailed?{FAMILIES}"}
        self._queue("/", self.queue, 0)  # of the same name, with a worker
        self._worker("/", self.queue)
        self._queue(self.vhost, self.queue, 40)
        self.prometheus = Prometheus(self._targets, {"rules": {"Unread": self.rule}}, MINUTE)
        seen = lambda: self._seen(self.prometheus) >= 2  # noqa: E731
        wait_until(seen, "Prometheus to see the queues", 3 * PATIENCE)

    def expect_cured(self) -> str:
        expression, lasting = self._taken_apart()
        vhost = self._other_vhost
        other, empty, read, brief = (fresh("orders") for _ in range(4))
        with Prometheus(self._targets, {"rules": {"Unread": (expression, lasting)}}, MINUTE) as one:
            since = time.time()
            self._queue("/", read, 0)
            self._worker("/", read, "--seconds", 0.2)
            self._queue("/", empty, 0)
            self._queue("/", brief, 1)  # for a minute or two without a worker
            self._send("/", read, 30)
            self._queue(vhost, other, 1)
            one.let_pass(1)
            worker = self._connected("/")  # at once, where a program takes its time to start
            worker.channel().basic_consume(brief, lambda *_: None)
            wanted = {(self.vhost, self.queue), (vhost, other)}
            rang = lambda: wanted <= self._rung(one, since)  # noqa: E731
            found = eventually(rang, 2 * LONGEST * MINUTE)
            rung = self._rung(one, since)
            worker.close()
        if not found:
            missing = wanted - rung
            where, which = min(missing)
            said = f"the queue {which} in the virtual host {where}"
            if any(None in labels for labels in rung):
                raise Wrong(
                    "labels",
                    f"the alert rang, but does not say for which queue; {said} has no reader.",
                    "Whoever is woken must know which queue in which virtual host: add nothing up.",
                )
            raise Wrong(
                "still_blind",
                f"{said} has orders and no reader, and within {LONGEST} minutes no alert rang for it.",
                "Which part of the expression lacks it? And for how long must it hold?",
            )
        if wrong := rung & {("/", empty), ("/", read), ("/", brief), ("/", self.queue)}:
            _, rang_for = min(wrong, key=str)
            why = {empty: "is empty", brief: "was without a worker for a minute"}
            raise Wrong(
                "false_alarm",
                f"the alert rang for a queue that {why.get(str(rang_for), 'has a worker')}.",
                "Who is woken for nothing switches the alert off.",
            )
        return "the alert rings for each queue that nobody reads, and for no other."

    def clean_up(self) -> None:
        if self.prometheus is not None:
            self.prometheus.close()
        self.cluster.down()

    def _taken_apart(self) -> tuple[str, str]:
        match self.rule:
            case (str(expression), str(lasting)):
                try:
                    self.prometheus.query(expression)  # type: ignore[union-attr]
                except ValueError as error:
                    raise Wrong(
                        "refused", f"Prometheus says: {error}", "Try it out first."
                    ) from None
                return expression, lasting
        raise Wrong(
            "no_rule", f"patient.rule is {self.rule!r:.80}.", 'Two texts: ("expression", "5m").'
        )

    def _seen(self, prometheus: Any) -> int:
        found = prometheus.query(f'{MESSAGES}{{queue="{self.queue}"}}')
        return len(found)

    def _rung(self, prometheus: Prometheus, since: float) -> set[tuple[str | None, str | None]]:
        fired = prometheus.fired("rules", since)
        return {(labels.get("vhost"), labels.get("queue")) for labels in fired}

    def _new_vhost(self, vhost: str) -> None:
        self.cluster.ctl(1, "add_vhost", vhost)
        self.cluster.ctl(1, "set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")

    def _queue(self, vhost: str, queue: str, orders: int) -> None:
        with self._connected(vhost) as connection:
            clients.declare_queue(connection.channel(), queue, "classic")
        self._send(vhost, queue, orders)

    def _send(self, vhost: str, queue: str, orders: int) -> None:
        with self._connected(vhost) as connection:
            clients.publish(connection.channel(), queue, range(orders))

    def _worker(self, vhost: str, queue: str, *options: object) -> None:
        port = self.cluster.rabbitmq(1).port
        words = [queue, "--port", port, "--vhost", vhost, *options]
        self.programs[queue] = Program("worker_rabbitmq.py", *words)
        with self._connected(vhost) as connection:
            clients.wait_for_consumers(connection.channel(), queue, 1)

    def _connected(self, vhost: str) -> pika.BlockingConnection:
        port = self.cluster.rabbitmq(1).port
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, vhost))


PATIENTS = (BlindAlert,)
