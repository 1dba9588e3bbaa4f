"""What goes wrong with brokers, said with what, where and what to do next."""


class BrokerError(RuntimeError):
    """A broker can't be had, or can't do what was asked; the text says what to do next."""


class NotOurs(BrokerError):  # noqa: N818  (reads as what is wrong)
    """The brokers belong to somebody else, so that nothing may be killed or reset."""
