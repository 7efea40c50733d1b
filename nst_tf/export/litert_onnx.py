"""AdaIN with its style baked in as a file for LiteRT or ONNX Runtime: picture and strength in, picture out."""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, files, messages, results, version
from nst_tf.export import adain_graph, manifest, trial_requests
from nst_tf.networks import adain as networks_adain
from nst_tf.pictures import images

ONNX_OPSET = 18
_AXES = ("batch", "height", "width")  # of an onnx file's pictures, the ones of free length
# The packages of each format's extra: name in Python -> name of the distribution.
_PACKAGES = {
    "litert": {"ai_edge_litert": "ai-edge-litert"},
    "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
}
# The largest mean and single difference from Python's picture that passes, in 8-bit levels.
_TOLERANCE_LEVELS = {"float32": (0.05, 2.0), "float16": (0.5, 24.0)}

_REFERENCE_SIDE_PX = 40  # of the picture that ONNX's reference evaluator gets, which computes in NumPy

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]  # content [B, H, W, 3] and strength [B] -> [B, H, W, 3]


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

    Each file is run in its own runtime and compared with Python before it is put in place, an onnx file also in ONNX's
    reference evaluator, which takes nothing that the opset does not have.

    Args:
        output_dir: the folder; files of these names are replaced.
        config: style_blend, and the weights. The precision must be float32.
        limits: the format; height_px and width_px of a litert file, which takes one picture at a time. An onnx file
            takes any size and any number of pictures of one size.
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
    record = folder / f"{limits.format}.manifest.json"
    files.check_writable(record)
    loaded = loaded or adain_graph.load(config, on_message)
    style = adain_graph.baked(loaded, styles, config)
    size = (limits.height_px, limits.width_px)
    batch, *sides = (1, *size) if limits.format == "litert" else (None, None, None)
    content = tf.TensorSpec([batch, *sides, 3], tf.float32, "content")
    strength = tf.TensorSpec([batch], tf.float32, "style_strength")

    @tf.function(input_signature=[content, strength])
    def stylize(content: tf.Tensor, style_strength: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"stylized": loaded.network.apply(content, style, style_strength)}

    on_message(f"converting to {limits.format}")
    module = tf.Module()
    module.stylize, module.weights = stylize, adain_graph.variables(loaded.network)
    facts: dict[str, Any] = {"method": "adain", "format": limits.format, "config": dataclasses.asdict(config)}
    facts["styles"] = [{"name": picture.name, "sha256": picture.sha256} for picture in styles]
    packages = {package: importlib.metadata.version(package) for package in _PACKAGES[limits.format].values()}
    facts |= {"weights": loaded.weights, "versions": results.versions() | packages, "files": {}}
    made = _litert(module) if limits.format == "litert" else _onnx(stylize, [content, strength], facts)
    picture = images.resize(trial_requests.pictures(max(size))[0], *size)
    for name, data in made.items():
        on_message(f"checking {name}")
        tolerance = _TOLERANCE_LEVELS["float16" if name.startswith("float16") else "float32"]
        facts["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        facts["files"][name] |= _difference(name, runner(name, data), stylize, picture, tolerance)
        if limits.format == "onnx":
            small = images.resize(picture, _REFERENCE_SIDE_PX, _REFERENCE_SIDE_PX + 5)
            found = _difference(name, _reference_runner(data), stylize, small, tolerance)
            facts["files"][name]["reference_evaluator"] = found
    for name, data in made.items():
        files.write_atomically(folder / name, data)
    files.write_atomically(record, f"{json.dumps(facts, indent=1)}\n".encode())
    return [folder / name for name in made]


def runner(name: str, data: bytes) -> Run:
    """A file's own runtime: for .tflite ai-edge-litert, for .onnx onnxruntime, both on the CPU."""
    return _litert_runner(data) if name.endswith(".tflite") else _onnx_runner(data)


def _difference(
    name: str, run: Run, stylize: Any, picture: np.ndarray, tolerance: tuple[float, float]
) -> dict[str, float]:
    """How far a file's pictures are from Python's, in levels, as the manifest records it.

    Raises:
        ExportError: further than the tolerance, the mean and the largest difference.
    """
    strengths = [[1.0], [0.4]] if name.endswith(".tflite") else [[1.0, 0.4]]
    apart = []
    for controls in np.array(strengths, np.float32):
        contents = np.repeat(picture, len(controls), axis=0)
        expected = stylize(contents, controls)["stylized"].numpy()
        apart.append(np.abs(run(contents, controls) - expected) * trial_requests.LEVELS)
    mean, largest = max(float(a.mean()) for a in apart), max(float(a.max()) for a in apart)
    if not (mean <= tolerance[0] and largest <= tolerance[1]):  # true for NaN, too
        raise errors.ExportError(
            f"{name} must be within {tolerance[0]} levels of Python's picture on average and {tolerance[1]} at "
            f"most. Received: {mean:.3g} and {largest:.3g}."
        )
    return {"mean_difference_levels": float(f"{mean:.3g}"), "largest_difference_levels": float(f"{largest:.3g}")}


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


def _onnx(function: Any, signature: Sequence[tf.TensorSpec], facts: dict[str, Any]) -> dict[str, bytes]:
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=ONNX_OPSET)
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Resize" else ():
            if attribute.s == b"tf_half_pixel_for_nn":  # not in this opset; the same where the scale is a whole number
                attribute.s = b"asymmetric"
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in zip(_AXES, value.type.tensor_type.shape.dim, strict=False):
            dimension.dim_param = axis
    del model.graph.value_info[:]  # shapes in between, under names that tf2onnx made up for the axes
    model.producer_name, model.producer_version = "nst_tf", version.__version__
    licences = manifest.licences(facts["weights"])
    sources = [part["source"] for part in facts["weights"].values()]
    styles = [f"{style['name']} (sha256 {style['sha256']})" for style in facts["styles"]]
    about = {"method": "adain", "nst_tf": version.__version__, "licence": licences, "source": sources, "style": styles}
    props = {key: value if isinstance(value, str) else "; ".join(value) for key, value in about.items()}
    onnx.helper.set_model_props(model, props)
    return {"model.onnx": model.SerializeToString()}


def _reference_runner(data: bytes) -> Run:
    """ONNX's own evaluator, which goes by the specification alone.

    Raises:
        ExportError: the file is no valid ONNX.
    """
    import onnx
    from onnx import reference

    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        evaluator = reference.ReferenceEvaluator(model)
    except Exception as error:  # theirs have no base in common
        raise _invalid(error) from error

    def run(content: np.ndarray, style_strength: np.ndarray) -> np.ndarray:
        try:
            (stylized,) = evaluator.run(None, {"content": content, "style_strength": style_strength})
        except Exception as error:
            raise _invalid(error) from error
        return np.array(stylized)

    return run


def _invalid(error: Exception) -> errors.ExportError:
    return errors.ExportError(
        f"model.onnx must be valid ONNX of opset {ONNX_OPSET}. Received: {errors.one_line(error)}. Another version of "
        "tf2onnx may convert it rightly: see the extra [onnx]."
    )


def _onnx_runner(data: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(content: np.ndarray, style_strength: np.ndarray) -> np.ndarray:
        return np.array(session.run(None, {"content": content, "style_strength": style_strength})[0])

    return run
