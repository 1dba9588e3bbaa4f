"""The grader of the lab on NATS tells right answers from wrong ones."""

from tests.cases import needs
from tests.exercises.answers import Answers, stub

pytestmark = needs("nats")


async def empty(jetstream):
    left = await jetstream.consumer_info("ORDERS", "packers")
    return not left.num_pending and not left.num_ack_pending


def work_with(
    *,
    size=10,
    early=None,
    done=lambda message: message.ack_sync(),
    unreadable=lambda message: message.term(),
    unanswered=lambda message: message.nak(),
    is_empty=empty,
    consumer="packers",
):
    """A right answer, but for what it is told."""

    async def work(jetstream, handle):
        orders = await jetstream.pull_subscribe("orders", consumer)
        while True:
            try:
                messages = await orders.fetch(size, timeout=0.2)
            except TimeoutError:
                if await is_empty(jetstream):
                    return
                continue
            for message in messages:
                if early:
                    await early(message)
                try:
                    handle(message.data)
                except ValueError:
                    await unreadable(message)
                except ConnectionError:
                    await unanswered(message)
                else:
                    if done:
                        await done(message)

    return work


async def work_bound(jetstream, handle):
    """One at a time, at the consumer that is there, with in_progress for good measure."""
    orders = await jetstream.pull_subscribe_bind("packers", "ORDERS")
    while not await empty(jetstream):
        try:
            [message] = await orders.fetch(1, timeout=0.3)
        except TimeoutError:
            continue
        await message.in_progress()
        try:
            handle(message.data)
            await message.ack_sync()
        except ValueError:
            await message.term()
        except ConnectionError:
            await message.nak(delay=0.1)


async def work_whole_batch(jetstream, handle):
    """Acknowledges when all that it has fetched is done."""
    orders = await jetstream.pull_subscribe("orders", "packers")
    while not await empty(jetstream):
        try:
            messages = await orders.fetch(12, timeout=0.2)
        except TimeoutError:
            continue
        done = []
        for message in messages:
            try:
                handle(message.data)
                done.append(message)
            except ValueError:
                await message.term()
            except ConnectionError:
                await message.nak()
        for message in done:
            await message.ack_sync()


async def at_once(_):
    return True


def not_async(jetstream, handle):
    return None


async def give_up(message):
    await message.term()
    await message._client.flush()  # and the server knows


async def nothing(message):
    pass


ANSWERS = {
    "3.3": Answers(
        right={
            "reference": work_with(),
            "one at a time, bound": work_bound,
            "acknowledges what can't be read": work_with(unreadable=lambda m: m.ack_sync()),
            "no word on what must come again": work_with(unanswered=nothing),
        },
        wrong={
            "not attempted": ("not_attempted", stub),
            "acknowledges before": (
                "lost",
                work_with(
                    early=lambda m: m.ack_sync(), done=None, unreadable=nothing, unanswered=nothing
                ),
            ),
            "acknowledges what had no answer": (
                "lost",
                work_with(unanswered=lambda m: m.ack_sync()),
            ),
            "terminates what had no answer": ("lost", work_with(unanswered=give_up)),
            "only begins to say it": ("repeated", work_with(size=100, done=lambda m: m.ack())),
            "acknowledges all at the end": ("repeated", work_whole_batch),
            "returns when nothing comes": ("left", work_with(is_empty=at_once)),
            "never acknowledges": ("no_deadline", work_with(done=None)),
            "puts back what can't be read": ("endless", work_with(unreadable=lambda m: m.nak())),
            "says nothing of what can't be read": ("no_deadline", work_with(unreadable=nothing)),
            "another consumer": ("repeated", work_with(consumer=None, is_empty=at_once)),
            "not async": ("not_async", not_async),
        },
    ),
}


def test_answers(case):
    case.judge()
