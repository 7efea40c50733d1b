"""AdaIN with its style baked in as a file for LiteRT or ONNX Runtime: picture and strength in, picture out."""

import dataclasses
import importlib.util
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, files, messages, results
from nst_tf.export import adain_graph, trial_requests
from nst_tf.networks import adain as networks_adain
from nst_tf.pictures import images

ONNX_OPSET = 18
_PACKAGES = {"litert": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnx", "onnxruntime")}  # each format's extra
# The largest mean and single difference from Python's picture that passes, in 8-bit levels.
_TOLERANCE_LEVELS = {"float32": (0.05, 2.0), "float16": (0.5, 24.0)}

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]  # content [1, H, W, 3] and strength [1] -> [1, H, W, 3]


def check_installed(format: str) -> None:
    """Finds out before any work whether a format's packages are there.

    Raises:
        ExportError: the extra is missing.
    """
    missing = [name for name in _PACKAGES[format] if importlib.util.find_spec(name) is None]
    if missing:
        raise errors.ExportError(
            f"--format={format} needs {', '.join(_PACKAGES[format])}. Received: an environment without "
            f"{', '.join(missing)}. Run `pip install 'nst-tf[{format}]'`."
        )


def export(
    output_dir: str | os.PathLike[str],
    config: configs.AdainConfig,
    limits: configs.ExportConfig,
    *,
    styles: Sequence[images.Picture],
    loaded: networks_adain.Loaded | None = None,
    on_message: messages.OnMessage = messages.log,
) -> list[pathlib.Path]:
    """Writes float32.tflite and float16.tflite, or model.onnx, and FORMAT.manifest.json.

    Each file is run in its own runtime and compared with Python before it is put in place.

    Args:
        output_dir: the folder; files of these names are replaced.
        config: style_blend, and the weights. The precision must be float32.
        limits: the format; height_px and width_px of a litert file. An onnx file takes any size.
        styles: the pictures whose style is baked in.
        loaded: a network in place of the one that config describes.
        on_message: is told what takes time.

    Returns:
        The files.

    Raises:
        ExportError: a package or the style is missing, or a file failed its check.
    """
    adain_graph.check(config)
    check_installed(limits.format)
    if not styles:
        raise errors.ExportError(f"--format={limits.format} bakes the style in. Received: none. Give --style.")
    if config.precision not in ("auto", "float32"):
        raise errors.ExportError(f"--format={limits.format} is made of float32. Received: {config.precision}.")
    folder = pathlib.Path(output_dir)
    manifest = folder / f"{limits.format}.manifest.json"
    files.check_writable(manifest)
    loaded = loaded or adain_graph.load(config, on_message)
    style = adain_graph.baked(loaded, styles, config)
    size = (limits.height_px, limits.width_px)
    sides = size if limits.format == "litert" else (None, None)
    content = tf.TensorSpec([1, *sides, 3], tf.float32, "content")
    strength = tf.TensorSpec([1], tf.float32, "style_strength")

    @tf.function(input_signature=[content, strength])
    def stylize(content: tf.Tensor, style_strength: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"stylized": loaded.network.apply(content, style, style_strength)}

    on_message(f"converting to {limits.format}")
    module = tf.Module()
    module.stylize, module.weights = stylize, adain_graph.variables(loaded.network)
    made = _litert(module) if limits.format == "litert" else _onnx(stylize, [content, strength])
    picture = images.resize(trial_requests.pictures(max(size))[0], *size)
    facts: dict[str, Any] = {"method": "adain", "format": limits.format, "config": dataclasses.asdict(config)}
    facts["styles"] = [{"name": picture.name, "sha256": picture.sha256} for picture in styles]
    facts |= {"weights": loaded.weights, "versions": results.versions(), "files": {}}
    for name, data in made.items():
        tolerance = _TOLERANCE_LEVELS["float16" if name.startswith("float16") else "float32"]
        differences = [_difference(runner(name, data), stylize, picture, alpha) for alpha in (1.0, 0.4)]
        mean, largest = (float(np.max(values)) for values in zip(*differences, strict=True))
        if not (mean <= tolerance[0] and largest <= tolerance[1]):  # true for NaN, too
            raise errors.ExportError(
                f"{name} must be within {tolerance[0]} levels of Python's picture on average and {tolerance[1]} at "
                f"most. Received: {mean:.3g} and {largest:.3g}."
            )
        facts["files"][name] = {
            "bytes": len(data),
            "mean_difference_levels": float(f"{mean:.3g}"),
            "largest_difference_levels": float(f"{largest:.3g}"),
        }
    for name, data in made.items():
        files.write_atomically(folder / name, data)
    files.write_atomically(manifest, f"{json.dumps(facts, indent=1)}\n".encode())
    return [folder / name for name in made]


def runner(name: str, data: bytes) -> Run:
    """A file's own runtime: for .tflite ai-edge-litert, for .onnx onnxruntime, both on the CPU."""
    return _litert_runner(data) if name.endswith(".tflite") else _onnx_runner(data)


def _difference(run: Run, stylize: Any, picture: np.ndarray, strength: float) -> tuple[float, float]:
    """Mean and largest difference from Python, in levels."""
    controls = np.array([strength], np.float32)
    apart = np.abs(run(picture, controls) - stylize(picture, controls)["stylized"].numpy()) * trial_requests.LEVELS
    return float(apart.mean()), float(apart.max())


def _litert(module: Any) -> dict[str, bytes]:
    made = {}
    for name in ("float32", "float16"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.stylize.get_concrete_function()], module)
        if name == "float16":  # weights only; a CPU computes in float32
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        made[f"{name}.tflite"] = converter.convert()
    return made


def _litert_runner(data: bytes) -> Run:
    from ai_edge_litert import interpreter

    runtime = interpreter.Interpreter(model_content=data, num_threads=os.cpu_count())
    runtime.allocate_tensors()
    inputs = {len(detail["shape"]): detail["index"] for detail in runtime.get_input_details()}  # by rank
    (output,) = runtime.get_output_details()

    def run(content: np.ndarray, style_strength: np.ndarray) -> np.ndarray:
        runtime.set_tensor(inputs[4], content)
        runtime.set_tensor(inputs[1], style_strength)
        runtime.invoke()
        return np.array(runtime.get_tensor(output["index"]))

    return run


def _onnx(function: Any, signature: Sequence[tf.TensorSpec]) -> dict[str, bytes]:
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=ONNX_OPSET)
    return {"model.onnx": model.SerializeToString()}


def _onnx_runner(data: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(content: np.ndarray, style_strength: np.ndarray) -> np.ndarray:
        return np.array(session.run(None, {"content": content, "style_strength": style_strength})[0])

    return run
