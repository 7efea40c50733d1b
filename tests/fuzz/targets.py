"""What is fuzzed: each reader of the package with good files to begin from. A new reader is one more row of TARGETS."""

import functools
import json
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from nst_tf import configs, errors, vgg
from nst_tf.export import graph_pictures, manifest
from nst_tf.optimisation import checkpoint
from nst_tf.pictures import icc, images
from nst_tf.weights import cache, formats, multi_style, onnx, style_files
from tests.fuzz import sandbox, seeds
from tests.tiny import tiny_weights
from tests.unit.optimisation import test_checkpoint

SERVED_PIXELS = 2**20  # the most that the served decoder lets in


def _picture(data: bytes) -> None:
    picture = images.load(data, max_side_px=64)
    for values in (picture.pixels, *([] if picture.alpha is None else [picture.alpha])):
        assert values.dtype == np.float32
        assert values.ndim == 4
        assert 0 <= values.min() <= values.max() <= 1  # false for NaN


def _profile(data: bytes) -> None:
    for mode in ("L", "RGB", "CMYK"):
        converted, _ = icc.to_srgb(Image.new(mode, (16, 16), 100), data)
        assert converted is None or converted.mode == "RGB"


def _weights(path: pathlib.Path) -> None:
    layers = _with_tiny_layers(formats.read, path)
    assert [(name, *kernel.shape[2:]) for name, (kernel, _) in layers.items()] == list(tiny_weights.TINY)


def _cache(path: pathlib.Path) -> None:
    """The cache's reader calls a damaged file damaged and goes on without it."""
    entry = cache.Entry(name=path.name.removesuffix(".weights.h5"), sha256=None)
    loaded = _with_tiny_layers(cache.read, entry, path.parent, lambda _: None)
    assert loaded is None or set(loaded[1]) == {"source", "network", "licence"}


def _with_tiny_layers(read, *arguments):
    real, vgg.CONVOLUTIONS = vgg.CONVOLUTIONS, tiny_weights.TINY
    try:
        return read(*arguments)
    finally:
        vgg.CONVOLUTIONS = real


def _settings(data: bytes) -> None:
    try:
        settings = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(settings, dict):
        name = settings.pop("preset", "default")
        configs.preset(name, **settings)


def _checkpoint(path: pathlib.Path) -> None:
    saved = checkpoint.read(path)
    assert min(saved.position.done, default=0) >= 0
    state = saved.state(test_checkpoint.STATE)
    for name, value in test_checkpoint.STATE.items():
        assert (state[name].dtype, state[name].shape) == (value.dtype, value.shape)


def _style(data: bytes) -> None:
    style = style_files.decode(data, "x.style")
    for rows in (style.gamma, style.beta):
        assert rows.shape == (len(style.stroke_sizes_px), style.gamma.shape[1])
        assert np.isfinite(rows).all()


def _onnx(data: bytes) -> None:
    for array in onnx.initialisers(data, name="x.onnx").values():
        assert array.dtype == np.float32
        assert array.nbytes <= len(data)


def _multi_style(data: bytes) -> None:
    weights = multi_style.from_onnx(data, "x.onnx", "none")
    assert weights.gamma.shape == weights.beta.shape


def _manifest(path: pathlib.Path) -> None:
    read = manifest.parse(path.read_bytes(), path.name)
    for name in read.files:
        assert (path.parent / name).resolve().is_relative_to(path.parent.resolve())
        (path.parent / name).exists()  # a name that the system takes


@functools.cache
def _decoder():
    """The decoder inside every exported graph, traced in the process that reads."""

    def decode(data):
        return graph_pictures.decode(data, "content_bytes", tf.constant(0), SERVED_PIXELS)

    return tf.function(decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def _served(data: bytes) -> None:
    try:
        pixels = _decoder()(data).numpy()
    except tf.errors.InvalidArgumentError as error:  # what a server answers such a request with
        raise errors.ServingError(errors.one_line(error)) from error
    assert pixels.shape[0] == 1
    assert 0 < pixels.size <= 3 * SERVED_PIXELS
    assert 0 <= pixels.min() <= pixels.max() <= 1  # false for NaN


def _cached() -> tuple[bytes, ...]:
    record = json.dumps({"source": "x", "network": "normalised", "sha256": "0" * 64, "licence": "none"})
    return (formats.to_h5(tiny_weights.convolutions(), record=record),)


TARGETS = {
    "picture": sandbox.Target(_picture, seeds.pictures),
    "profile": sandbox.Target(_profile, seeds.profiles),
    "h5": sandbox.Target(_weights, seeds.keras_files, ".h5"),
    "cache": sandbox.Target(_cache, _cached, ".weights.h5"),
    "npz": sandbox.Target(_weights, seeds.numpy_files, ".npz"),
    "pth": sandbox.Target(_weights, seeds.torch_state_dicts, ".pth"),
    "checkpoint": sandbox.Target(_checkpoint, seeds.checkpoints, ".checkpoint"),
    "manifest": sandbox.Target(_manifest, seeds.manifests, ".manifest"),
    "style": sandbox.Target(_style, seeds.styles),
    "onnx": sandbox.Target(_onnx, seeds.onnx_files),
    "multi-style": sandbox.Target(_multi_style, seeds.onnx_files),
    "served": sandbox.Target(_served, seeds.served),
    "settings": sandbox.Target(_settings, seeds.settings),
}
