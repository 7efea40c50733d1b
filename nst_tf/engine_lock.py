"""One run at a time for an engine, whoever calls."""

import threading

from nst_tf import errors


class EngineLock:
    """Makes calls from several threads wait for each other, and refuses a call from inside another one.

    A callback of a run is called while the run holds the engine: it would wait for itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    @property
    def is_held_here(self) -> bool:
        """Whether this thread is inside a run of the engine."""
        return self._owner == threading.get_ident()

    def __enter__(self) -> None:
        if self.is_held_here:
            raise errors.NstError(
                "an engine runs one picture at a time. Received: a call from inside a callback of its own run. Use "
                "another engine there, or call it after the run."
            )
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.release()
