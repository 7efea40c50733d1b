"""A learned style as a file: the scales and shifts that a network draws it with, some kilobytes.

A style of `--architecture=one-style` brings its own network along, about a megabyte.

The file, little-endian: MAGIC, the length of the header (uint64), the header's sha256, the header (JSON), gamma and
beta (float32), the network's kernels (float16) where it has its own, the sha256 of all before. Nothing in it is ever
executed, and a size is believed only where it fits the file. Imports no TensorFlow.
"""

import dataclasses
import hashlib
import importlib.resources
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nst_tf import errors, files, version
from nst_tf.weights import multi_style

SUFFIX = ".style"
MAGIC = b"NSTSTYL1"
_PREFIX_BYTES = len(MAGIC) + 8 + 32
_MAX_HEADER_BYTES = 2**16
_MAX_FILE_BYTES = 2**24
_MAX_STROKES = 64  # sizes of strokes in one file


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StyleFile:
    """A learned style, at one size of its strokes or at several.

    Attributes:
        name: of the style, such as starry-night.
        network_sha256: of the kernels it was learned with, as `multi_style.MultiStyleWeights` has it.
        stroke_sizes_px: the long side of the painting at which each row was learned, ascending.
        gamma: float32 [K, N], one row for each size.
        beta: float32 [K, N].
        about: how it was made, fit for JSON.
        kernels: layer -> float32 [H, W, I, O], in order, of a style that has a network of its own; values that float16
            holds exactly. None where many styles share the network.
    """

    name: str
    network_sha256: str
    stroke_sizes_px: tuple[int, ...]
    gamma: np.ndarray
    beta: np.ndarray
    about: dict[str, Any]
    kernels: Mapping[str, np.ndarray] | None = None

    @property
    def method(self) -> str:
        """The method that draws it, as `--method` takes it."""
        return "multi-style" if self.kernels is None else "one-style"

    def at(self, stroke_size_px: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Gamma and beta [N] for a size of the strokes: between two sizes of the file in proportion to its logarithm.

        Args:
            stroke_size_px: None for the file's only size, or the middle one of several. Beyond the file's sizes the
                nearest is taken.
        """
        sizes = np.log(np.array(self.stroke_sizes_px, np.float64))
        place = (
            (len(sizes) - 1) // 2
            if stroke_size_px is None
            else np.interp(math.log(stroke_size_px), sizes, np.arange(len(sizes)))
        )
        low = int(place)
        high, share = min(low + 1, len(sizes) - 1), np.float32(place - low)
        gamma, beta = (rows[low] + share * (rows[high] - rows[low]) for rows in (self.gamma, self.beta))
        return gamma, beta


def encode(style: StyleFile) -> bytes:
    """The bytes of a style's file; the same style always gives the same bytes."""
    header = {
        "name": style.name,
        "network_sha256": style.network_sha256,
        "stroke_sizes_px": list(style.stroke_sizes_px),
        "numbers": int(style.gamma.shape[1]),
        "nst_tf": version.__version__,
        "about": style.about,
    }
    if style.kernels is not None:
        header["kernels"] = [[layer, list(kernel.shape)] for layer, kernel in style.kernels.items()]
    text = json.dumps(header, sort_keys=True).encode()
    values = b"".join(np.ascontiguousarray(rows, "<f4").tobytes() for rows in (style.gamma, style.beta))
    values += b"".join(np.ascontiguousarray(kernel, "<f2").tobytes() for kernel in (style.kernels or {}).values())
    content = MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text + values
    return content + hashlib.sha256(content).digest()


def write(path: str | os.PathLike[str], style: StyleFile) -> None:
    """Writes a style's file, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    files.write_atomically(path, encode(style))


def read(path: str | os.PathLike[str]) -> StyleFile:
    """Reads a style's file.

    Raises:
        StyleError: there is none, or it is damaged, of another version, or not a style.
    """
    name = os.fspath(path)
    try:
        file = pathlib.Path(path)
        if file.is_file() and file.stat().st_size > _MAX_FILE_BYTES:
            raise _damaged(name, f"{file.stat().st_size} bytes")
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _damaged(name, errors.one_line(reason)) from error
    return decode(content, name)


def decode(content: bytes, name: str) -> StyleFile:
    """The style in a file's bytes; name is what the errors call it.

    Raises:
        StyleError: as `read`.
    """
    try:
        if not content.startswith(MAGIC[:-1]):
            raise ValueError("a file that is not a style")
        if not content.startswith(MAGIC):
            raise ValueError(f"a style of another version ({content[len(MAGIC) - 1 : len(MAGIC)]!r})")
        header_bytes = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 8], "little")
        if header_bytes > _MAX_HEADER_BYTES or len(content) < _PREFIX_BYTES + header_bytes + 32:
            raise ValueError("its end is missing")
        text = content[_PREFIX_BYTES : _PREFIX_BYTES + header_bytes]
        if hashlib.sha256(text).digest() != content[len(MAGIC) + 8 : _PREFIX_BYTES]:
            raise ValueError("its header's checksum does not match")
        if hashlib.sha256(content[:-32]).digest() != content[-32:]:
            raise ValueError("its checksum does not match")
        return _parsed(json.loads(text), content[_PREFIX_BYTES + header_bytes : -32])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(name, errors.one_line(error) or type(error).__name__) from error


def shipped_names() -> tuple[str, ...]:
    """The names of the styles that come with the package, sorted."""
    folder = _shipped_folder()
    return tuple(sorted(file.stem for file in folder.glob(f"*{SUFFIX}")))


def shipped(name: str) -> StyleFile:
    """A style that comes with the package.

    Raises:
        StyleError: there is none of that name.
    """
    if name not in shipped_names():
        raise errors.StyleError(
            f"style:{name}: a style's name must be one of {', '.join(shipped_names())}. Received: {name!r}. Choose one."
        )
    return read(_shipped_folder() / f"{name}{SUFFIX}")


def _shipped_folder() -> pathlib.Path:
    return pathlib.Path(str(importlib.resources.files("nst_tf.weights").joinpath("styles")))


def _parsed(header: Any, values: bytes) -> StyleFile:
    """The header with every type checked; a ValueError, LookupError, TypeError or AttributeError where one is wrong."""
    name, network_sha256, about = header["name"], header["network_sha256"], header["about"]
    sizes, numbers = header["stroke_sizes_px"], header["numbers"]
    if not (type(name) is str and type(network_sha256) is str and type(about) is dict):
        raise ValueError("a name or a record of another type")
    if type(sizes) is not list or not 1 <= len(sizes) <= _MAX_STROKES or type(numbers) is not int or numbers < 1:
        raise ValueError("sizes of another kind")
    if not all(type(size) is int and 1 <= size <= 2**16 for size in sizes) or sorted(set(sizes)) != sizes:
        raise ValueError("stroke sizes that do not ascend")
    scales_bytes = 2 * 4 * len(sizes) * numbers
    shapes = _shapes(header["kernels"]) if "kernels" in header else {}
    if len(values) != scales_bytes + 2 * sum(map(math.prod, shapes.values())):
        raise ValueError(f"{len(values)} bytes for {len(sizes)} sizes of {numbers} scales and shifts")
    gamma, beta = np.frombuffer(values[:scales_bytes], "<f4").reshape(2, len(sizes), numbers).astype(np.float32)
    kernels = _kernels(shapes, values[scales_bytes:]) if shapes else None
    if kernels is not None:
        channels = sum(kernel.shape[3] for kernel in kernels.values())
        if channels != numbers or network_sha256 != multi_style.kernels_sha256(kernels):
            raise ValueError("scales and shifts of another network")
    if not (np.isfinite(gamma).all() and np.isfinite(beta).all()):
        raise ValueError("NaN or infinity")
    return StyleFile(
        name=name,
        network_sha256=network_sha256,
        stroke_sizes_px=tuple(sizes),
        gamma=gamma,
        beta=beta,
        about=about,
        kernels=kernels,
    )


def _shapes(declared: Any) -> dict[str, tuple[int, ...]]:
    """The shapes that a header gives its kernels."""
    shapes = {str(layer): tuple(shape) for layer, shape in declared}
    if not all(type(side) is int and 1 <= side <= 2**12 for shape in shapes.values() for side in shape):
        raise ValueError("kernels of another kind")
    return shapes


def _kernels(shapes: Mapping[str, tuple[int, ...]], values: bytes) -> dict[str, np.ndarray]:
    """The kernels, in order, out of their bytes, whose number is right."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    parts = np.split(np.frombuffer(values, "<f2").astype(np.float32), ends[:-1])
    kernels = {layer: part.reshape(shape) for (layer, shape), part in zip(shapes.items(), parts, strict=True)}
    if reason := multi_style.fault_of_kernels(kernels):
        raise ValueError(reason)
    return kernels


def _damaged(name: str, received: str) -> errors.StyleError:
    return errors.StyleError(
        f"{name}: a style must be a whole file as `nst-tf train` writes it. Received: {received}. Train it again, or "
        f"choose among style:{', style:'.join(shipped_names()) or '0'}."
    )
