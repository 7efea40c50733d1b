"""Which number format the extractor computes in."""

import functools
import pathlib
import platform
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_TENSOR_CORES = (7, 0)  # CUDA compute capability from which float16 has tensor cores (Volta)
_PROBE_SIDE = 2048  # of the matrices that are multiplied to find a machine's speed: 17 GFLOP
_SHARE_OF_PROBE = 0.8  # what a step reaches of their rate
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
    if {"avx512_bf16", "amx_bf16"} & _cpu_flags():
        return "mixed_bfloat16", "the CPU computes in bfloat16 (AVX512-BF16 or AMX)"
    return "float32", "the CPU has no bfloat16"


def resolve_xla(xla: str) -> bool:
    """Whether to compile the step with XLA; `auto` is off until it was measured to be faster somewhere."""
    return xla == "on"


def cpu_name() -> str:
    """The CPU's name, family and model as Linux gives them; the architecture elsewhere."""
    facts = [_cpu_fact(key) for key in ("model name", "cpu family", "model")]
    return " ".join(filter(None, facts)) or platform.machine()


@functools.lru_cache
def flop_per_s(policy: str) -> float:
    """About how many floating-point operations a second a step does, from a matrix product in the policy's format."""
    dtype = {"mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}.get(policy, tf.float32)
    a = tf.ones([_PROBE_SIDE, _PROBE_SIDE], dtype)
    seconds = []
    for _ in range(2):  # the first may compile
        began = time.perf_counter()
        float(tf.matmul(a, a)[0, 0])
        seconds.append(time.perf_counter() - began)
    return _SHARE_OF_PROBE * 2 * _PROBE_SIDE**3 / min(seconds)


def _cpu_flags() -> set[str]:
    """The CPU's features as Linux names them; empty where the system does not tell."""
    return set(_cpu_fact("flags").split())


def _cpu_fact(key: str) -> str:
    """What Linux says of the first core under a key; empty where it says nothing."""
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return ""
    facts = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in facts if name.strip() == key), "")


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
