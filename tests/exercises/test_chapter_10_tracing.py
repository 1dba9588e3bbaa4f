"""The grader of the lab on tracing tells right answers from wrong ones."""

import pytest
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagate import extract, inject
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.exercises.answers import Answers, ignoring, stub

pytestmark = pytest.mark.usefixtures("live")


def sources(records, decode=lambda value: value.decode(errors="replace"), base=Context):
    for record in records:
        headers = {name: decode(value) for name, value in record.headers if value}
        yield get_current_span(extract(headers, base())).get_span_context()


def valid(records):
    return [Link(source) for source in sources(records) if source.is_valid]


def bundle_with(
    links=valid, context=lambda records: Context(), headers=None, empty=False, name="bundle",
    body=lambda records: b"\n".join(record.value for record in records), kept=lambda links: links,
    late=False, swallow=False, record=True,
):  # fmt: skip
    """An answer that gets right what it is told to."""

    def bundle(tracer, records, send):
        if not records and not empty:
            return
        found = {}
        with tracer.start_as_current_span(
            name, context(records), links=kept(links(records)), set_status_on_exception=record
        ):
            inject(found)
            if headers is not None:
                found = headers(records, found)
            try:
                if not late:
                    send(body(records), found)
            except Exception:
                if not swallow:
                    raise
        if late:
            send(body(records), found)

    return bundle


def by_hand(tracer, records, send):
    """Right too: the header is read and written without the library, the span ended by hand."""
    if not records:
        return
    links = []
    for record in records:
        parts = dict(record.headers).get("traceparent", b"").split(b"-")
        try:
            one = SpanContext(int(parts[1], 16), int(parts[2], 16), is_remote=True)
        except (ValueError, IndexError):
            continue
        links += [Link(one)] if one.is_valid else []
    span = tracer.start_span("bundle", Context(), links=links)
    own = span.get_span_context()
    try:
        header = f"00-{own.trace_id:032x}-{own.span_id:016x}-01"
        send(b"\n".join(record.value for record in records), {"traceparent": header})
    except BaseException:
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def by_a_propagator(tracer, records, send):
    """Right too, and otherwise: a getter for Kafka's headers, and a span that is put in use."""

    class Headers(Getter):
        def get(self, carrier, key):
            return [value.decode(errors="ignore") for name, value in carrier if name == key] or None

        def keys(self, carrier):
            return [name for name, _ in carrier]

    if len(records) == 0:
        return
    propagator, links = TraceContextTextMapPropagator(), []
    for record in records:
        carried = propagator.extract(record.headers, Context(), getter=Headers())
        where = trace.get_current_span(carried).get_span_context()
        links += [trace.Link(where)] * where.is_valid
    span = tracer.start_span("bundle", context=Context(), links=links)
    with trace.use_span(span, end_on_exit=True):
        headers = {}
        propagator.inject(headers, context=trace.set_span_in_context(span))
        send(b"\n".join([record.value for record in records]), headers)


def a_span_a_record(tracer, records, send):
    for record in records:
        bundle_with()(tracer, [record], send)


def never_ended(tracer, records, send):
    if records:
        span = tracer.start_span("bundle", Context(), links=valid(records))
        headers = {}
        inject(headers, trace.set_span_in_context(span))
        send(b"\n".join(record.value for record in records), headers)


def old_header(records, found):
    return {name: value.decode(errors="replace") for name, value in records[0].headers}


def first_as_parent(records):
    headers = {n: v.decode(errors="replace") for n, v in records[0].headers if v}
    return extract(headers, Context())


def only_distinct(links):
    return list({link.context.trace_id: link for link in links}.values())


ANSWERS = {
    "10.6": Answers(
        right={
            "reference": bundle_with(),
            "by hand": by_hand,
            "a propagator": by_a_propagator,
        },
        wrong={
            "below the caller": ("parent", bundle_with(context=lambda records: None)),
            "first as parent": ("parent", bundle_with(context=first_as_parent)),
            "first link only": ("links", bundle_with(kept=lambda links: links[:1])),
            "no links": ("links", bundle_with(kept=lambda links: [])),
            "links backwards": ("links", bundle_with(kept=lambda links: links[::-1])),
            "each trace once": ("links", bundle_with(kept=only_distinct)),
            "strict decoding": (
                "raised",
                bundle_with(links=lambda r: [Link(s) for s in sources(r, bytes.decode)]),
            ),
            "the caller's for none": (
                "links",
                bundle_with(
                    links=lambda r: [Link(s) for s in sources(r, base=get_current) if s.is_valid]
                ),
            ),
            "header copied": ("context", bundle_with(headers=old_header)),
            "no header": ("context", bundle_with(headers=lambda records, found: {})),
            "header in bytes": (
                "wrong_types",
                bundle_with(headers=lambda r, found: {n: v.encode() for n, v in found.items()}),
            ),
            "empty batch sent": ("empty", bundle_with(empty=True)),
            "another name": ("spans", bundle_with(name="pack")),
            "a span a record": ("spans", a_span_a_record),
            "never ended": ("spans", never_ended),
            "sent after the span": ("outside", bundle_with(late=True)),
            "swallowed": ("swallowed", bundle_with(swallow=True)),
            "no error": ("no_error", bundle_with(record=False)),
            "blanks cut off": (
                "wrong_body",
                bundle_with(body=lambda records: b"\n".join(r.value.strip() for r in records)),
            ),
            "joined by nothing": (
                "wrong_body",
                bundle_with(body=lambda records: b"".join(record.value for record in records)),
            ),
            "endless": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}


def test_answers(case):
    case.judge()
