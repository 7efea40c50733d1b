"""Lines for the user: how the library says where weights came from, what a picture lost, how a run is planned."""

from collections.abc import Callable

from absl import logging

OnMessage = Callable[[str], None]


def log(message: str) -> None:
    """What becomes of messages where the caller gives no callback: absl's log at its level INFO."""
    logging.info(message)
