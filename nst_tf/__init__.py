"""Neural style transfer after Gatys, Ecker and Bethge, for TensorFlow and Keras.

The public names below are imported on first use, so that `import nst_tf` does no work and loads no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Checkpoints": "checkpoint",
    "NstError": "errors",
    "Report": "results",
    "StopStylizing": "results",
    "StyleTransfer": "transfer",
    "StyleTransferConfig": "configs",
    "StyleTransferResult": "results",
    "preset": "configs",
    "stylize": "transfer",
}

if TYPE_CHECKING:
    from nst_tf.checkpoint import Checkpoints
    from nst_tf.configs import StyleTransferConfig, preset
    from nst_tf.errors import NstError
    from nst_tf.results import Report, StopStylizing, StyleTransferResult
    from nst_tf.transfer import StyleTransfer, stylize

__all__ = [
    "Checkpoints",
    "NstError",
    "Report",
    "StopStylizing",
    "StyleTransfer",
    "StyleTransferConfig",
    "StyleTransferResult",
    "__version__",
    "preset",
    "stylize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
