"""Requests with their answers: what a bundle is checked with, warmed up with, and can be tried with later."""

import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nst_tf import errors
from nst_tf.pictures import images, samples

EXAMPLES = pathlib.PurePath("assets.extra", "examples")  # in a bundle
DEFAULT = "serving_default"  # the signature that a client gets unless it names another
LEVELS = 255.0
# The largest mean and single difference between a bundle's picture and Python's that passes, in 8-bit levels. The graph
# optimiser fuses operations, so that sums are rounded elsewhere; the steps of an optimisation enlarge that.
TOLERANCE_LEVELS = {"float32": (0.05, 4.0), "mixed_bfloat16": (1.0, 32.0), "mixed_float16": (0.6, 16.0)}


BLEND = (1.0, 3.0)  # of the two styles in requests for a blend


class Masks(NamedTuple):
    """Masks of a picture, each float32 [1, H, W, 3] as 8 bits hold it."""

    styles: tuple[np.ndarray, np.ndarray]
    keep: np.ndarray


class Example(NamedTuple):
    """One request: arrays by name, and the answer that Python gives. Encoded pictures are arrays of bytes."""

    name: str
    signature: str
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]


def pictures(*sides_px: int) -> list[np.ndarray]:
    """Sample pictures, one after the other, each float32 [1, H, W, 3] with that longer side, as 8 bits hold it."""
    names = sorted(samples.NAMES)
    loaded = (images.load(samples.PREFIX + names[i % len(names)], max_side_px=side) for i, side in enumerate(sides_px))
    return [np.rint(picture.pixels * np.float32(LEVELS)) / np.float32(LEVELS) for picture in loaded]


def masks(picture: np.ndarray) -> Masks:
    """Soft masks for two styles, from the left and from the right, and of what is kept above."""
    _, height, width, _ = picture.shape
    x, y = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, np.newaxis]
    planes = [np.broadcast_to((1.5 - 2 * ramp).clip(0, 1), [height, width]) for ramp in (x, 1 - x, 3 * y)]
    left, right, top = (
        np.repeat(np.rint(plane * LEVELS).astype(np.float32)[np.newaxis, :, :, np.newaxis], 3, -1) / np.float32(LEVELS)
        for plane in planes
    )
    return Masks((left, right), top)


def encoded(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures as an array of PNG files, bytes [B]. A PNG does not end in a zero, which NumPy would cut off."""
    return np.array([images.encode(picture, ".png") for picture in pixels])


def write(example: Example, folder: pathlib.Path) -> None:
    """Writes NAME.inputs.npz, as `replay` reads it, and NAME.expected.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{example.name}.inputs.npz", signature=example.signature, **example.inputs)  # type: ignore[arg-type]
    np.savez(folder / f"{example.name}.expected.npz", **example.expected)  # type: ignore[arg-type]


def read(folder: pathlib.Path) -> list[Example]:
    """The requests that `write` wrote into a folder.

    Raises:
        ExportError: there are none, or one cannot be read.
    """
    found = []
    try:
        for path in sorted(folder.glob("*.inputs.npz")):
            name = path.name.removesuffix(".inputs.npz")
            with np.load(path) as archive:
                arrays = dict(archive)
            with np.load(path.with_name(f"{name}.expected.npz")) as archive:
                found.append(Example(name, str(arrays.pop("signature")), arrays, dict(archive)))
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise errors.ExportError(
            f"{folder}: the requests must be readable. Received: {error}. Export again."
        ) from error
    if not found:
        raise errors.ExportError(f"{folder}: there must be requests to repeat. Received: none. Export again.")
    return found


def difference(example: Example, answer: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """How far an answer is from the expected one: mean and largest, in levels, each the worst of the outputs.

    Raises:
        ExportError: outputs of other names, shapes or sizes.
    """
    if set(answer) != set(example.expected):
        raise errors.ExportError(
            f"{example.name}: the outputs must be {', '.join(example.expected)}. Received: {', '.join(answer)}."
        )
    means, largest = [0.0], [0.0]
    for name, expected in example.expected.items():
        for ours, theirs in zip(_values(expected), _values(answer[name]), strict=True):
            if ours.shape != theirs.shape:
                raise errors.ExportError(
                    f"{example.name}: {name} must have the shape {list(ours.shape)}. Received: {list(theirs.shape)}."
                )
            apart = np.abs(ours.astype(np.float64) - theirs) * LEVELS
            means.append(float(apart.mean()))
            largest.append(float(apart.max()))
    return float(np.max(means)), float(np.max(largest))  # NaN where there is one


def _values(array: np.ndarray) -> list[np.ndarray]:
    """The elements of a batch as numbers: pictures are decoded."""
    return [images.load(bytes(item)).pixels if array.dtype.kind in "SO" else item for item in array]
