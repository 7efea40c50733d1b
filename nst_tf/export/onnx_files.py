"""ONNX files: conversion, onnxruntime, and ONNX's own evaluator as the judge of what is valid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import errors, version
from nst_tf.export import manifest

OPSET = 18
_AXES = ("batch", "height", "width")  # of pictures, the ones of free length; controls have the first

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def convert(function: Any, signature: Sequence[tf.TensorSpec], facts: Mapping[str, Any]) -> bytes:
    """A function of arrays as an ONNX file, its axes named, its licence, source and version inside.

    Args:
        function: a tf.function of the signature's inputs that returns {"stylized": pictures}.
        signature: the inputs.
        facts: of the manifest: method, weights and styles.
    """
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Resize" else ():
            if attribute.s == b"tf_half_pixel_for_nn":  # not in this opset; the same where the scale is a whole number
                attribute.s = b"asymmetric"
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for axis, dimension in zip(_AXES if len(dimensions) == 4 else _AXES[:1], dimensions, strict=False):
            dimension.dim_param = axis
    del model.graph.value_info[:]  # shapes in between, under names that tf2onnx made up for the axes
    model.producer_name, model.producer_version = "nst_tf", version.__version__
    about = {
        "method": facts["method"],
        "nst_tf": version.__version__,
        "licence": "; ".join(manifest.licences(facts["weights"])),
        "source": "; ".join(part["source"] for part in manifest.parts(facts["weights"]).values()),
        "style": "; ".join(f"{style['name']} (sha256 {style['sha256']})" for style in facts["styles"]),
    }
    onnx.helper.set_model_props(model, about)
    return bytes(model.SerializeToString())


def runner(data: bytes) -> Run:
    """A file in onnxruntime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda inputs: np.array(session.run(None, dict(inputs))[0])


def reference_runner(data: bytes) -> Run:
    """A file in ONNX's own evaluator, which goes by the specification alone.

    Raises:
        ExportError: the file is no valid ONNX; from the runner, too.
    """
    import onnx
    from onnx import reference

    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        evaluator = reference.ReferenceEvaluator(model)
    except Exception as error:  # theirs have no base in common
        raise _invalid(error) from error

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        try:
            (stylized,) = evaluator.run(None, dict(inputs))
        except Exception as error:
            raise _invalid(error) from error
        return np.array(stylized)

    return run


def _invalid(error: Exception) -> errors.ExportError:
    return errors.ExportError(
        f"model.onnx must be valid ONNX of opset {OPSET}. Received: {errors.one_line(error)}. Another version of "
        "tf2onnx may convert it rightly: see the extra [onnx]."
    )
