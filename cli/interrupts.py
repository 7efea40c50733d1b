"""Ctrl-C and SIGTERM in a run whose best result so far is worth keeping."""

import signal

from . import streams


class Interrupt:
    """Once there is a result, the first Ctrl-C or SIGTERM between enter and exit is remembered; any other acts."""

    def __init__(self) -> None:
        self.seen = 0
        self.has_result = False

    @property
    def exit_code(self) -> int:
        """As a shell gives it for the signal."""
        return 128 + self.seen

    def __enter__(self) -> None:
        self._previous = {number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: object) -> None:
        self._restore()
        if not self.has_result:
            signal.raise_signal(number)
            return
        self.seen = number
        streams.tell("\nstopping after this step; Ctrl-C again to quit at once")
