"""Topics and subscriptions of Pub/Sub, as a notebook needs them."""

PROJECT = "projects/course"  # at Google, who pays for it


def new_topic(publisher, name):
    """A topic; its full name."""
    return publisher.create_topic(name=f"{PROJECT}/topics/{name}").name


def new_subscription(subscriber, topic, name, **more):
    """A subscription, which gives out an order again when ten seconds are over; its full name."""
    place = {"name": f"{PROJECT}/subscriptions/{name}", "topic": topic}
    wanted = {**place, "ack_deadline_seconds": 10, **more}
    return subscriber.create_subscription(request=wanted).name


def take(subscriber, subscription):
    """Ask once, and acknowledge what is handed out: the numbers of the orders."""
    found = subscriber.pull(subscription=subscription, max_messages=100).received_messages
    if found:
        ids = [one.ack_id for one in found]
        subscriber.acknowledge(subscription=subscription, ack_ids=ids)
    return [int(one.message.data) for one in found]
