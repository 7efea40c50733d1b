"""Which number format the extractor computes in."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nst_tf import machine

_TENSOR_CORES = (7, 0)  # CUDA compute capability from which float16 has tensor cores (Volta)
_LARGEST_SCALE_EXPONENT = 12  # 16**12 = 2**48


def resolve(precision: str) -> tuple[str, str]:
    """Picks the Keras dtype policy for a `precision` setting.

    Args:
        precision: `auto`, `float32`, `mixed_bfloat16` or `mixed_float16`.

    Returns:
        The policy's name and the reason for it, in words for the log.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if precision == "mixed_float16" and not gpus:
        return precision, "as asked; on a CPU float16 is several times slower than float32"
    if precision != "auto":
        return precision, "as asked"
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = details.get("compute_capability") or (0, 0)
        if tuple(capability) >= _TENSOR_CORES:
            return "mixed_float16", f"the GPU {details.get('device_name', '')} has tensor cores"
        return "float32", "the GPU has no tensor cores"
    if {"avx512_bf16", "amx_bf16"} & machine.cpu_flags():
        return "mixed_bfloat16", "the CPU computes in bfloat16 (AVX512-BF16 or AMX)"
    return "float32", "the CPU has no bfloat16"


def loss_scale(terms_and_gradient: Callable[..., Any], image: tf.Tensor, targets: Any) -> float:
    """The largest power of 16 by which the objective can be multiplied without its gradient overflowing.

    float16 flushes what is below 6e-8 to zero, which most of the gradient of a mean-reduced objective is. The objective
    falls during a run, so the scale found at the start does not overflow later. It is below 1 where the gradient is too
    large for float16, as under the preset `equations`.

    Args:
        terms_and_gradient: as `Objective.terms_and_gradient`.
        image: the image a run starts at.
        targets: its targets.
    """
    exponent = _LARGEST_SCALE_EXPONENT
    while exponent > -_LARGEST_SCALE_EXPONENT:
        _, gradient = terms_and_gradient(image, targets, 16.0**exponent)
        if tf.reduce_all(tf.math.is_finite(gradient)):
            break
        exponent -= 1
    return 16.0 ** (exponent - 1)  # one step of headroom: the first steps may climb
