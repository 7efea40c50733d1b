"""One-pass networks as files for other runtimes: LiteRT, ONNX, and a SavedModel of arrays alone for converters."""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, files, messages, results
from nst_tf.export import adain_graph, litert, multi_style_graph, onnx_files, plain_saved_model, trial_requests
from nst_tf.networks import layers
from nst_tf.networks import multi_style as networks_multi_style
from nst_tf.pictures import images

STYLES = "styles.json"  # beside a file that takes gamma and beta: those of every style with a name
SAVED_MODEL = "saved_model"
# The packages of each format's extra: name in Python -> name of the distribution.
_PACKAGES: dict[str, dict[str, str]] = {
    "litert": {"ai_edge_litert": "ai-edge-litert"},
    "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
    "plain": {},
}
# The largest mean and single difference from Python's picture that passes, in 8-bit levels, by how weights are kept.
_TOLERANCE_LEVELS = {"float32": (0.05, 2.0), "float16": (0.5, 24.0), "int8-weights": (3.0, 96.0)}
_SIZES_PX = ((90, 121), (64, 52))  # of the pictures that a file is checked with: every file takes every size
_REFERENCE_SIZES_PX = ((40, 45),)  # for ONNX's own evaluator, which computes in NumPy
_STRENGTHS = {"style_strength": np.array([1.0, 0.4], np.float32)}  # to check with


class Portable(NamedTuple):
    """A network as a function of arrays: no encoded pictures, no text, no checks of what it is given."""

    apply: Callable[..., tf.Tensor]  # content float32 [B, H, W, 3] and the controls by name -> [B, H, W, 3]
    controls: dict[str, np.ndarray]  # the inputs beside the content: name -> two values to check with, [2, ...]
    models: tuple[Any, ...]  # Keras', with every variable
    facts: dict[str, Any]  # for the manifest: method, config, styles, weights
    beside: dict[str, bytes]  # files that belong to it: name -> content


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
    config: configs.AdainConfig | configs.MultiStyleConfig,
    limits: configs.ExportConfig,
    *,
    styles: Sequence[Any] = (),
    loaded: Any = None,
    on_message: messages.OnMessage = messages.log,
) -> list[pathlib.Path]:
    """Writes the files of a format and FORMAT.manifest.json.

    litert: float32.tflite, float16.tflite and int8-weights.tflite, which take one picture at a time. onnx: model.onnx.
    plain: the folder saved_model, for converters. All take pictures of every size, onnx and plain as batches. Each is
    run in its own runtime and compared with Python before it is put in place, an onnx file also in ONNX's reference
    evaluator, which takes nothing that the opset does not have.

    Args:
        output_dir: the folder; files of these names are replaced.
        config: of the method: style_blend, and the weights. The precision must be float32.
        limits: the format.
        styles: what is baked in: `images.Picture`s for adain, which needs them; learned styles for multi-style, as
            `nst_tf.MultiStyleTransfer` takes them. Without them a file of multi-style takes gamma and beta, and
            styles.json has those of every style with a name.
        loaded: the `Loaded` of a network in place of the one that config describes.
        on_message: is told what takes time.

    Returns:
        The files.

    Raises:
        ExportError: a package or the style is missing, or a file failed its check.
    """
    check_installed(limits.format)
    folder = pathlib.Path(output_dir)
    record = folder / f"{limits.format}.manifest.json"
    files.check_writable(record)
    if isinstance(config, configs.AdainConfig):
        portable = _adain(config, limits.format, styles, loaded, on_message)
    else:
        portable = _multi_style(config, limits.method, styles, loaded, on_message)
    batch = 1 if limits.format == "litert" else None
    specs = [tf.TensorSpec([batch, None, None, 3], tf.float32, "content")]
    specs += [tf.TensorSpec([batch, *values.shape[1:]], tf.float32, name) for name, values in portable.controls.items()]
    packages = {package: importlib.metadata.version(package) for package in _PACKAGES[limits.format].values()}
    facts = portable.facts | {"format": limits.format, "versions": results.versions() | packages}
    facts["inputs"] = {spec.name: [n or "free" for n in spec.shape] for spec in specs}
    facts["files"] = {name: _identity(data) for name, data in portable.beside.items()}
    on_message(f"converting to {limits.format}")
    if limits.format == "plain":
        written = _write_saved_model(folder, portable, specs, facts)
    else:
        written = _write_files(folder, portable, specs, facts, limits.format, on_message)
    for name, data in portable.beside.items():
        files.write_atomically(folder / name, data)
    files.write_atomically(record, f"{json.dumps(facts, indent=1)}\n".encode())
    return [*written, *(folder / name for name in portable.beside)]


def runner(name: str, data: bytes) -> litert.Run:
    """A file's own runtime: for .tflite ai-edge-litert, for .onnx onnxruntime, both on the CPU."""
    return litert.runner(data) if name.endswith(".tflite") else onnx_files.runner(data)


def _adain(
    config: configs.AdainConfig, format: str, styles: Sequence[images.Picture], loaded: Any, on_message: Any
) -> Portable:
    adain_graph.check(config)
    if not styles:
        raise errors.ExportError(f"--format={format} of adain bakes the style in. Received: none. Give --style.")
    if config.precision not in ("auto", "float32"):
        raise errors.ExportError(f"--format={format} is made of float32. Received: {config.precision}.")
    if config.convolution not in ("auto", "direct"):
        raise errors.ExportError(f"--format={format} has direct convolutions. Received: {config.convolution}.")
    loaded = loaded or adain_graph.load(config, on_message)
    style = adain_graph.baked(loaded, styles, config)

    def apply(content: tf.Tensor, style_strength: tf.Tensor) -> tf.Tensor:
        return loaded.network.apply(content, style, style_strength)

    facts: dict[str, Any] = {"method": "adain", "config": dataclasses.asdict(config), "weights": loaded.weights}
    facts["styles"] = [{"name": picture.name, "sha256": picture.sha256} for picture in styles]
    return Portable(apply, _STRENGTHS, (loaded.network.encoder, loaded.network.decoder), facts, {})


def _multi_style(
    config: configs.MultiStyleConfig, method: str, styles: Sequence[Any], loaded: Any, on_message: Any
) -> Portable:
    multi_style_graph.check(config)
    loaded = loaded or multi_style_graph.load(styles, config, on_message)
    style = multi_style_graph.baked(loaded, styles, config) if styles else None

    def apply(content: tf.Tensor, style_strength: tf.Tensor, **numbers: tf.Tensor) -> tf.Tensor:
        stylised = loaded.network(content, style or networks_multi_style.Style(**numbers))
        return multi_style_graph.strengthened(content, stylised, style_strength)

    facts: dict[str, Any] = {"method": method, "config": dataclasses.asdict(config), "weights": loaded.weights}
    facts["styles"] = multi_style_graph.identities(loaded, styles, config)
    if style:
        return Portable(apply, _STRENGTHS, (loaded.network.body,), facts, {})
    known = multi_style_graph.named(loaded, config)
    parts = known.values._asdict()
    numbers = {part: [[float(str(value)) for value in row] for row in rows] for part, rows in parts.items()}
    beside = {STYLES: json.dumps({"names": known.names, **numbers}).encode()}
    controls = _STRENGTHS | {part: rows[[0, -1]] for part, rows in parts.items()}
    return Portable(apply, controls, (loaded.network.body,), facts, beside)


def _module(portable: Portable) -> tf.Module:
    """What holds the variables while they are saved or frozen."""
    module = tf.Module()
    module.weights = [variable.value for model in portable.models for variable in model.variables]
    return module


def _function(portable: Portable, specs: Sequence[tf.TensorSpec]) -> Any:
    """The network traced for its inputs: a tf.function that returns {"stylized": pictures}."""

    def stylize(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"stylized": portable.apply(**{spec.name: value for spec, value in zip(specs, values, strict=True)})}

    return tf.function(stylize, input_signature=specs, autograph=False)


def _examples(call: Any, portable: Portable, sizes_px: Sequence[tuple[int, int]]) -> list[trial_requests.Example]:
    """Pictures of each size with two values of the controls, one by one or together, and Python's answers.

    Args:
        call: the network as `_function` traces it, which takes seconds.
        portable: whose controls they are.
        sizes_px: heights and widths.
    """
    rounds = [slice(0, 1), slice(1, 2)] if call.input_signature[0].shape[0] == 1 else [slice(0, 2)]
    made = []
    for number, (height_px, width_px) in enumerate(sizes_px):
        picture = images.resize(trial_requests.pictures(max(height_px, width_px))[0], height_px, width_px)
        for place in rounds:
            inputs = {"content": np.concatenate([picture, picture[:, ::-1]])[place]}
            inputs |= {name: values[place] for name, values in portable.controls.items()}
            expected = call(*map(tf.constant, inputs.values()))["stylized"].numpy()
            name = f"tensors-{number}-{place.start}"
            made.append(trial_requests.Example(name, trial_requests.DEFAULT, inputs, {"stylized": expected}))
    return made


def _write_files(
    folder: pathlib.Path,
    portable: Portable,
    specs: Sequence[tf.TensorSpec],
    facts: dict[str, Any],
    format: str,
    on_message: messages.OnMessage,
) -> list[pathlib.Path]:
    """Makes and checks the files of LiteRT or ONNX, then puts them in place; facts gets what was found."""
    call = _function(portable, specs)
    if format == "litert":
        made = litert.convert(call.get_concrete_function(), _module(portable))
    else:
        with layers.reflections_in_one_operation(portable.models):
            made = {"model.onnx": onnx_files.convert(_function(portable, specs), specs, facts)}
    examples = _examples(call, portable, _SIZES_PX)
    for name, data in made.items():
        on_message(f"checking {name}")
        tolerance = _TOLERANCE_LEVELS.get(pathlib.PurePath(name).stem, _TOLERANCE_LEVELS["float32"])
        facts["files"][name] = _identity(data) | _difference(name, runner(name, data), examples, tolerance)
        if format == "onnx":
            small = _examples(call, portable, _REFERENCE_SIZES_PX)
            found = _difference(name, onnx_files.reference_runner(data), small, tolerance)
            facts["files"][name]["reference_evaluator"] = found
    for name, data in made.items():
        files.write_atomically(folder / name, data)
    return [folder / name for name in made]


def _write_saved_model(
    folder: pathlib.Path, portable: Portable, specs: Sequence[tf.TensorSpec], facts: dict[str, Any]
) -> list[pathlib.Path]:
    """Makes and checks a plain SavedModel, then puts the folder in place; facts gets what was found."""
    target = folder / SAVED_MODEL
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder, ignore_cleanup_errors=True) as temporary:
            new = pathlib.Path(temporary) / "new"
            call = _function(portable, specs)
            examples = _examples(call, portable, _SIZES_PX)
            function = call.get_concrete_function()
            facts["self_check"] = plain_saved_model.write(function, _module(portable), new, examples)
            for path in sorted(path for path in new.rglob("*") if path.is_file()):
                facts["files"][f"{SAVED_MODEL}/{path.relative_to(new).as_posix()}"] = _identity(path.read_bytes())
            if target.exists():
                target.rename(pathlib.Path(temporary) / "old")
            new.rename(target)
    except OSError as error:
        raise errors.OutputError(f"{target}: the folder cannot be written ({error.strerror}).") from error
    return [target]


def _difference(
    name: str, run: litert.Run, examples: Sequence[trial_requests.Example], tolerance: tuple[float, float]
) -> dict[str, float]:
    """How far a file's pictures are from Python's, in levels, as the manifest records it.

    Raises:
        ExportError: further than the tolerance, the mean and the largest difference.
    """
    apart = [trial_requests.difference(example, {"stylized": run(example.inputs)}) for example in examples]
    mean, largest = (float(np.max(values)) for values in zip(*apart, strict=True))  # NaN where there is one
    if not (mean <= tolerance[0] and largest <= tolerance[1]):
        raise errors.ExportError(
            f"{name} must be within {tolerance[0]} levels of Python's picture on average and {tolerance[1]} at "
            f"most. Received: {mean:.3g} and {largest:.3g}."
        )
    return {"mean_difference_levels": float(f"{mean:.3g}"), "largest_difference_levels": float(f"{largest:.3g}")}


def _identity(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
