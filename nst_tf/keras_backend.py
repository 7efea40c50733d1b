"""Which library Keras computes with, found out without importing it.

Keras picks its backend when it is imported, by a file of the user's or a variable; its own error for a backend that is
not installed, or the errors of tensors of two libraries, say nothing of either.
"""

import json
import os
import pathlib
import sys

from nst_tf import errors

_WANTED = "tensorflow"


def check() -> None:
    """Finds out, without importing Keras, which backend it has or will have.

    Raises:
        ConfigError: another one than TensorFlow.
    """
    backend, source = _backend()
    if backend != _WANTED:
        raise errors.ConfigError(
            f"nst_tf needs Keras on the backend {_WANTED}. Received: {backend!r}, from {source}. Set "
            f"KERAS_BACKEND={_WANTED} before Keras is imported."
        )


def _backend() -> tuple[str, str]:
    """The backend, and where it was chosen; the order is Keras' own, in keras/src/backend/config.py."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend(), "Keras as it was imported"
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = pathlib.Path(home) / "keras.json"
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError):  # as Keras, which then has its defaults
        settings = {}
    return settings.get("backend", _WANTED) if isinstance(settings, dict) else _WANTED, str(path)
