"""Any style in one pass inside TensorFlow's input pipelines and, by Apache Beam, over whole folders of pictures.

`StyleAugment` is imported on first use, so that the command line can read settings without loading TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_tf.pipelines.augment import StyleAugment

__all__ = ["StyleAugment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.augment"), name)


def __dir__() -> list[str]:
    return __all__
