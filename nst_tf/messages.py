"""Lines for the user: how the library says where weights came from, what a picture lost, how a run is planned."""

from collections.abc import Callable

from absl import logging

OnMessage = Callable[[str], None]


def log(message: str) -> None:
    """What becomes of messages where the caller gives no callback: absl's log at its level INFO."""
    logging.info(message)


def once(on_message: OnMessage, told: set[str]) -> OnMessage:
    """A callback that passes each line on only the first time.

    Args:
        on_message: gets the lines.
        told: those that it has had; grows.
    """

    def pass_on(message: str) -> None:
        if message not in told:
            told.add(message)
            on_message(message)

    return pass_on
