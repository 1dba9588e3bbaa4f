"""The grader of the lab on delayed retry tells right answers from wrong ones."""

import contextlib

import pytest

from tests.cases import needs
from tests.exercises.answers import Answers, ignoring, stub

pytestmark = [
    pytest.mark.usefixtures("live"),
    needs("rabbitmq-4.3"),
]


def ack(channel, tag):
    channel.basic_ack(tag)


def nack(channel, tag):
    channel.basic_nack(tag, requeue=True)


def reject(channel, tag):
    channel.basic_reject(tag, requeue=True)


def set_aside(channel, tag):
    channel.basic_reject(tag, requeue=False)


def nothing(channel, tag):
    pass


def settle_with(
    done=ack,
    passing=reject,
    lasting=set_aside,
    left=nack,
    looks=lambda leaving: leaving.is_set(),
    body=lambda body: body,
    order=lambda in_hand: in_hand,
    tag=lambda number, tag: tag,
):
    """An answer that gets right what it is told to."""

    def settle(channel, in_hand, charge, leaving):
        for number, (given, text) in enumerate(order(in_hand), 1):
            mine = tag(number, given)
            if looks(leaving):
                left(channel, mine)
                continue
            try:
                charge(body(text))
            except ConnectionError:
                passing(channel, mine)
            except ValueError:
                lasting(channel, mine)
            else:
                done(channel, mine)

    return settle


def settle_the_rest_at_once(channel, in_hand, charge, leaving):
    """Right too, and otherwise: one nack for all that is left, and any failure but one is passing."""
    for tag, body in in_hand:
        if leaving.is_set():
            channel.basic_nack(0, multiple=True, requeue=True)
            return
        try:
            charge(body)
            channel.basic_ack(tag)
        except Exception as error:
            channel.basic_reject(tag, requeue=not isinstance(error, ValueError))


def settle_by_recover(channel, in_hand, charge, leaving):
    """Right too: what is left is recovered, and a nack sets aside."""
    waiting = list(in_hand)
    while waiting and not leaving.is_set():
        tag, body = waiting.pop(0)
        try:
            charge(body)
        except OSError:
            channel.basic_reject(delivery_tag=tag)
        except ValueError:
            channel.basic_nack(delivery_tag=tag, requeue=False)
        else:
            channel.basic_ack(delivery_tag=tag)
    channel.basic_recover(requeue=True)


def acknowledge_first(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        if leaving.is_set():
            channel.basic_nack(tag)
            continue
        channel.basic_ack(tag)
        with contextlib.suppress(ConnectionError, ValueError):
            charge(body)


def acknowledge_whatever_happens(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        try:
            if leaving.is_set():
                channel.basic_nack(tag)
            else:
                charge(body)
        except ConnectionError:
            channel.basic_reject(tag)
        except ValueError:
            channel.basic_reject(tag, requeue=False)
        finally:
            channel.basic_ack(tag)


def look_only_at_the_beginning(channel, in_hand, charge, leaving):
    asked = leaving.is_set()
    settle_with(looks=lambda _: asked)(channel, in_hand, charge, leaving)


def look_too_late(channel, in_hand, charge, leaving):
    """It looks after the charge: an order that was charged goes back."""
    for tag, body in in_hand:
        try:
            if not leaving.is_set():
                charge(body)
            settled = nack if leaving.is_set() else ack
        except ConnectionError:
            settled = reject
        except ValueError:
            settled = set_aside
        settled(channel, tag)


def leave_by_closing(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        if leaving.is_set():
            channel.close()
            return
        settle_with()(channel, [(tag, body)], charge, leaving)


def give_up_at_the_first_failure(channel, in_hand, charge, leaving):
    for number, (tag, body) in enumerate(in_hand):
        if leaving.is_set():
            channel.basic_nack(in_hand[-1][0], multiple=True)
            return
        try:
            charge(body)
            channel.basic_ack(tag)
        except (ConnectionError, ValueError) as error:
            channel.basic_reject(tag, requeue=isinstance(error, ConnectionError))
            for later, _ in in_hand[number + 1 :]:
                channel.basic_nack(later)
            return


def try_again_in_place(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        if leaving.is_set():
            channel.basic_nack(tag)
            continue
        for last in (False, True):
            try:
                charge(body)
                channel.basic_ack(tag)
                break
            except ConnectionError:
                if last:
                    channel.basic_reject(tag)
            except ValueError:
                channel.basic_reject(tag, requeue=False)
                break


def expect_one_class(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        if leaving.is_set():
            channel.basic_nack(tag)
            continue
        try:
            charge(body)
            channel.basic_ack(tag)
        except Exception as error:
            channel.basic_reject(tag, requeue=type(error) is ConnectionError)


def let_errors_out(channel, in_hand, charge, leaving):
    for tag, body in in_hand:
        if not leaving.is_set():
            charge(body)
            channel.basic_ack(tag)


def swallow_everything(channel, in_hand, charge, leaving):
    """It keeps on, and doesn't let anybody say so."""
    for tag, body in in_hand:
        try:
            charge(body)
            channel.basic_ack(tag)
        except ValueError:
            channel.basic_reject(tag, requeue=False)
        except:  # noqa: E722 (what a learner might write)
            channel.basic_reject(tag)


ANSWERS = {
    "9.11": Answers(
        right={
            "reference": settle_with(),
            "the rest at once": settle_the_rest_at_once,
            "recover": settle_by_recover,
        },
        wrong={
            "nacks what fails": ("not_counted", settle_with(passing=nack)),
            "nacks what will never pass": ("not_set_aside", settle_with(lasting=nack)),
            "tries for ever": ("not_set_aside", settle_with(lasting=reject)),
            "sets all failures aside": ("set_aside", settle_with(passing=set_aside)),
            "rejects when leaving": ("counted", settle_with(left=reject)),
            "sets aside when leaving": ("set_aside", settle_with(left=set_aside)),
            "acknowledges when leaving": ("lost", settle_with(left=ack)),
            "keeps when leaving": ("in_hand", settle_with(left=nothing)),
            "closes the channel": ("closed", leave_by_closing),
            "never acknowledges": ("in_hand", settle_with(done=nothing)),
            "puts back what is done": ("done_again", settle_with(done=nack)),
            "acknowledges failures": ("lost", settle_with(passing=ack)),
            "acknowledges what will never pass": ("lost", settle_with(lasting=ack)),
            "acknowledges first": ("lost", acknowledge_first),
            "acknowledges whatever happens": ("closed", acknowledge_whatever_happens),
            "ignores leaving": ("kept_on", settle_with(looks=lambda _: False)),
            "looks at the beginning": ("kept_on", look_only_at_the_beginning),
            "looks too late": ("done_again", look_too_late),
            "gives up": ("not_charged", give_up_at_the_first_failure),
            "in place": ("wrong_order", try_again_in_place),
            "one class": ("set_aside", expect_one_class),
            "swallows everything": ("kept_on", swallow_everything),
            "backwards": ("wrong_order", settle_with(order=lambda in_hand: in_hand[::-1])),
            "as text": ("wrong_order", settle_with(body=lambda body: body.decode("latin-1"))),
            "tidied up": ("wrong_order", settle_with(body=bytes.strip)),
            "lets errors out": ("raised", let_errors_out),
            "tags by hand": ("closed", settle_with(tag=lambda number, tag: 1)),
            "hangs": ("no_deadline", ignoring()),
            "not begun": ("not_attempted", stub),
        },
    )
}  # fmt: skip


def test_answers(case):
    case.judge()
