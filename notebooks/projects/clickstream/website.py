"""A website whose visitors click: the clicks go to a topic, keyed by visitor, in the order of arrival.

Most clicks arrive within seconds. Some come from telephones that were off the net for minutes or for
hours, and some arrive twice. All is drawn from a seed: whoever starts it again with the same one sends
the same clicks again. The days are simulated ones of March 2025: a click says when it was made, and its
record's timestamp says when it arrived.

By hand: python website.py --brokers 127.0.0.1:9092 --name try --clicks 3000
"""

import argparse
import heapq
import json
import math
import time
from itertools import accumulate, count, islice
from random import Random

from kafka import KafkaProducer

from helpers.programs import asked_to_end

BEGIN = 1_740_960_000_000  # milliseconds since 1970: Monday, 3 March 2025, 00:00 UTC
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PAGES = ["/", "/search", "/basket", *(f"/product/{number}" for number in range(1, 300))]
VISITORS = 5_000
TWICE = 0.02  # of all clicks arrive twice
BLOCK = 100  # clicks that are sent before their acknowledgements are waited for


def long_tail(number, steepness):
    """Weights of so many things, added up: few are likely, and the many others are not nothing."""
    return list(accumulate(rank**-steepness for rank in range(1, number + 1)))


POPULAR, FAITHFUL = long_tail(len(PAGES), 1), long_tail(VISITORS, 0.5)


def delay(data):
    """How long a click is on its way: milliseconds."""
    [at_most] = data.choices([3 * SECOND, 8 * MINUTE, 6 * HOUR], weights=[94, 5, 1])
    return int(data.random() * at_most)


def visit(data, began):
    """The clicks of one visit, as visitor, page and time."""
    [number] = data.choices(range(VISITORS), cum_weights=FAITHFUL)
    now = began
    while True:
        [page] = data.choices(PAGES, cum_weights=POPULAR)
        yield f"visitor-{number}", page, int(now)
        if data.random() < 0.2:
            return
        now += data.lognormvariate(3, 1) * SECOND  # 20 seconds on a page, or much longer


def busy(now):
    """How busy the website is at that time of the day: 0.2 at four in the morning, 1.8 at four p.m."""
    return 1 - 0.8 * math.cos((now / HOUR - 4) / 12 * math.pi)


def traffic(seed, per_minute, begin=BEGIN):
    """Clicks without end, each with the time of its arrival, in the order of arrival."""
    data, numbers, now = Random(seed), count(1), float(begin)
    under_way = []
    while True:
        for visitor, page, clicked in visit(data, now):
            number = next(numbers)
            click = {"id": f"click-{seed}-{number}", "visitor": visitor, "page": page}
            arrival = clicked + delay(data)
            heapq.heappush(under_way, (arrival, number, {**click, "time": clicked}))
            if data.random() < TWICE:
                again = arrival + SECOND + delay(data)
                heapq.heappush(under_way, (again, number, {**click, "time": clicked}))
        now += data.expovariate(per_minute * busy(now)) * MINUTE * 5  # five clicks a visit
        while under_way and under_way[0][0] <= now:
            arrival, _, click = heapq.heappop(under_way)
            yield arrival, click


def main():
    """Send clicks until there are enough, or we are asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", nargs="+", required=True, help="HOST:PORT of each node")
    parser.add_argument("--name", required=True, help="what the topics of this run begin with")
    parser.add_argument("--clicks", type=int, required=True, help="so many, then it ends")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=int, default=1, help="the simulated day on which it begins")
    parser.add_argument("--per-minute", type=float, default=60, help="of the simulated time")
    parser.add_argument("--per-second", type=float, default=1e9, help="really sent, at most")
    args = parser.parse_args()
    asked = asked_to_end()
    producer = KafkaProducer(
        bootstrap_servers=args.brokers, acks="all", linger_ms=5, reconnect_backoff_max_ms=200
    )
    begin = BEGIN + (args.day - 1) * DAY
    clicks = islice(traffic(args.seed, args.per_minute, begin), args.clicks)
    sent, begun = 0, time.monotonic()
    while block := list(islice(clicks, BLOCK)):
        said = [
            producer.send(
                f"{args.name}.clicks",
                key=click["visitor"].encode(),
                value=json.dumps(click).encode(),
                timestamp_ms=arrival,
            )
            for arrival, click in block
        ]
        for one in said:
            one.get(timeout=60)
        sent += len(block)
        print("sent", sent, flush=True)
        if asked.wait(max(begun + sent / args.per_second - time.monotonic(), 0)):
            break
    producer.close()


if __name__ == "__main__":
    main()
