"""Grader of the lab on tracing: a batch of Kafka's records becomes one message of RabbitMQ's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pika
from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from .. import clients
from .answers import Wrong, ask
from .grading import grader
from .places import amqp, brokers, kafka_options, new_queue, new_topic, take

Pair = tuple[str, str]  # the ids of a trace and of a span, as in a header
DAMAGED = (b"00-zz", b"\xff\xfe", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"")


class _RefusedError(Exception):
    """What the next hop says when it can't take a message."""


@grader("10.6", needs=("kafka", "rabbitmq"))
def bundle(answer: Callable, data: Random) -> str:
    """Batches of one, of many, with no, damaged and equal contexts; a caller in a span; a refusal."""
    whole, twice = [_pair(data) for _ in range(data.randint(4, 7))], _pair(data)
    mixed = [_pair(data), None, *DAMAGED, _pair(data)]
    data.shuffle(mixed)
    with amqp() as connection, new_queue(channel := connection.channel()) as queue:
        channel.confirm_delivery()

        def send(body: bytes, headers: dict[str, str]) -> None:
            properties = pika.BasicProperties(headers=headers, delivery_mode=2)
            channel.basic_publish("", queue, body, properties)

        for contexts in (whole, [_pair(data)], mixed, [twice, twice], [None]):
            records = _records(contexts, data)
            spans, within = _ask(answer, records, send)
            span = _only(spans)
            _expect_links(span, contexts)
            _expect_sent(span, take(channel, queue), records, within)
        spans, within = _ask(answer, [], send)
        if spans or take(channel, queue):
            what = f"an empty batch made {len(spans)} spans, or was sent on."
            raise Wrong("empty", what, "No records are no work.")
    _expect_error(answer, _records([_pair(data)], data))
    return "one span a batch, linked to all it came from, and named by what it sent."


def _pair(data: Random) -> Pair:
    return f"{data.randint(1, 2**128 - 1):032x}", f"{data.randint(1, 2**64 - 1):016x}"


def _records(contexts: Sequence[Pair | bytes | None], data: Random) -> list[ConsumerRecord]:
    """Records from Kafka, one for each context: ids, a damaged header, or none."""
    with new_topic() as topic:
        with KafkaProducer(**kafka_options()) as producer:
            for context in contexts:
                headers = [("shop", "Zürich".encode("latin-1")), ("source", b"till")]
                if isinstance(context, tuple):
                    context = f"00-{context[0]}-{context[1]}-01".encode()
                if context is not None:
                    headers.insert(data.randint(0, 2), ("traceparent", context))
                value = f" Order-{data.randrange(10**6)}\xe9\n".encode("latin-1")
                producer.send(topic, value, headers=headers).get(timeout=20)
        return clients.read_topic(brokers("kafka"), topic)


def _ask(
    answer: Callable, records: list[ConsumerRecord], send: Callable, may_raise: Any = ()
) -> tuple[list[ReadableSpan], list[bool]]:
    """The spans that a call made, and whether one was still open at each time that it sent."""
    kept, provider, within = InMemorySpanExporter(), TracerProvider(), []
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("exercise")

    def watched(body: Any, headers: Any) -> None:
        within.append(not kept.get_finished_spans())
        if not isinstance(body, bytes) or not isinstance(headers, dict):
            what = f"send got {type(body).__name__} and {type(headers).__name__}."
            raise Wrong("wrong_types", what, "It wants bytes, and a dict of texts.")
        if bad := [value for value in headers.values() if not isinstance(value, str)]:
            what = f"a header's value was {bad[0]!r}, no text."
            raise Wrong("wrong_types", what, "`inject` fills a dict with texts.")
        send(body, headers)

    with tracer.start_as_current_span("the caller's"):
        said = ask(answer, tracer, records, watched, may_raise=may_raise)
        spans = list(kept.get_finished_spans())
    if may_raise and not isinstance(said, may_raise):
        what = "send raised an exception, and your function's caller did not learn of it."
        raise Wrong(
            "swallowed", what, "Whoever called you has to know, so that nothing is committed."
        )
    return spans, within


def _only(spans: list[ReadableSpan]) -> ReadableSpan:
    if len(spans) != 1 or spans[0].name != "bundle":
        what = f"the batch made these spans that have ended: {[span.name for span in spans]}."
        raise Wrong(
            "spans", what, "A batch is one span, named bundle, and it ends before you return."
        )
    if spans[0].parent is not None:
        what = "the batch's span has a parent."
        hint = "By default a span hangs below the one that is current: give it an empty context."
        raise Wrong("parent", what, hint)
    return spans[0]


def _expect_links(span: ReadableSpan, contexts: Sequence[Pair | bytes | None]) -> None:
    wanted = [context for context in contexts if isinstance(context, tuple)]
    linked = [
        (format_trace_id(link.context.trace_id), format_span_id(link.context.span_id))
        for link in span.links
    ]
    if linked != wanted:
        what = (
            f"{len(contexts)} records named {len(wanted)} spans, and the batch has {len(linked)} "
        )
        what += "links, or others, or in another order."
        raise Wrong("links", what, "One link for each record whose header can be read, in order.")


def _expect_sent(
    span: ReadableSpan, sent: list, records: list[ConsumerRecord], within: list[bool]
) -> None:
    if len(sent) != 1:
        what = f"{len(sent)} messages were sent for a batch of {len(records)}."
        raise Wrong("messages", what, "Each batch leaves as one message.")
    body, properties = sent[0]
    if body.encode("latin-1") != b"\n".join(record.value for record in records):
        what = f"the body was {body!r}, of {len(records)} records."
        raise Wrong(
            "wrong_body", what, "All values as they came, in bytes, joined by a line's end."
        )
    context = span.context
    assert context is not None
    wanted = (
        f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-"  # and flags
    )
    found = (properties.headers or {}).get("traceparent", "")
    if found[:-2] != wanted:
        what = f"the message's traceparent was {found!r}, and the batch's span is {wanted!r}."
        raise Wrong("context", what, "Inject while your span is the current one.")
    if within != [True]:
        what = "the span had ended before the message was sent."
        raise Wrong("outside", what, "Sending is a part of the span's work.")


def _expect_error(answer: Callable, records: list[ConsumerRecord]) -> None:
    def refuse(*_: Any) -> None:
        raise _RefusedError("the queue is full")

    spans, within = _ask(answer, records, refuse, may_raise=(_RefusedError,))
    span = _only(spans)
    if len(within) != 1:
        raise Wrong("messages", f"send was called {len(within)} times.", "Once, also if it fails.")
    if span.status.status_code is not StatusCode.ERROR:
        what = f"send raised an exception, and the span's status is {span.status.status_code.name}."
        raise Wrong("no_error", what, "Let the exception pass through the span, or set its status.")
