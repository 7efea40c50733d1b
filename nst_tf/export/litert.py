"""LiteRT files: conversion, and their own runtime."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def convert(function: Any, module: tf.Module) -> dict[str, bytes]:
    """A function of arrays as files: name -> content.

    float16 and int8 say how the weights are kept; both compute in floats. Activations in int8 are not offered: instance
    normalisation keeps them from being faster (benchmarks/RESULTS.md, One pass).

    Args:
        function: a concrete function that returns {"stylized": pictures}.
        module: holds its variables. From a concrete function they are frozen; from a SavedModel this converter wrote
            NaN.
    """
    made = {}
    for name in ("float32", "float16", "int8-weights"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
        if name != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "float16":
            converter.target_spec.supported_types = [tf.float16]
        made[f"{name}.tflite"] = converter.convert()
    return made


def runner(data: bytes) -> Run:
    """A file in ai-edge-litert, on the CPU; it takes every size that the file takes."""
    from ai_edge_litert import interpreter

    signature = interpreter.Interpreter(model_content=data, num_threads=os.cpu_count()).get_signature_runner()
    return lambda inputs: np.array(signature(**inputs)["stylized"])
