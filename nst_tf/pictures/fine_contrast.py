"""A photograph's fine contrast in a picture that was made of it: its grain, and the finest band of the whole.

A camera's grain is a fault of the photograph, and no thing in it that another light would show more strongly. So what
changes a photograph's colours leaves the grain no stronger than it was, and the finest band no larger a share of the
picture's contrast. Arrays and tensors share the equations.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from nst_tf.pictures import colours

GRAIN = 2e-3  # squared, on the 0 to 1 scale: fine contrasts below this are grain, which is not strengthened
GRAIN_RADIUS_PX = 2  # of the windows in which contrasts are fine
FINEST_REACH_PX = 2  # how far from a pixel its `finest` reads
_BAND_ROWS = 256


def grain(plane: Any, box_mean: Callable[[Any], Any]) -> Any:
    """What a channel of a photograph has of fine structure of low contrast: the channel less its own guided filter.

    Args:
        plane: an array [H, W, ...] or a tensor [H, W].
        box_mean: the mean of each pixel's window, of GRAIN_RADIUS_PX.

    Source: He, Sun & Tang 2013, "Guided Image Filtering", section 3.2, the filter that keeps edges.
    """
    mean = box_mean(plane)
    variance = box_mean(plane * plane) - mean * mean
    slope = variance / (variance + GRAIN)
    return plane - box_mean(slope) * plane - box_mean(mean - slope * mean)


def changed_grain(of_grain: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """What grain becomes where slopes change the colours.

    Its luma is the photograph's, times what the slopes do to greys, but never stronger: a map that mixes the channels
    would turn their noise, and the blocks of JPEG's chroma, into luma. Its colour is what the slopes make of it, where
    the whole is held to the length that it had.

    Args:
        of_grain: float32 [H, W, 3], the three channels' `grain`.
        slopes: float32 [H, W, 3, 3]; colours I become sum_k slopes[..., k, c] I_k.

    Returns:
        float32 [H, W, 3].
    """
    weights = np.array(colours.LUMA, np.float32)
    changed = sum(of_grain[..., k, np.newaxis] * slopes[..., k, :] for k in range(3))
    before, after = (np.sqrt(np.einsum("hwc,hwc->hw", values, values)) for values in (of_grain, changed))
    changed *= np.minimum(1, before / np.maximum(after, np.finfo(np.float32).tiny))[..., np.newaxis]
    of_grey = np.einsum("hwkc,c->hw", slopes, weights).clip(-1, 1)
    return np.asarray(changed + (of_grey * (of_grain @ weights) - changed @ weights)[..., np.newaxis])


def finest(plane: Any, blurred: Callable[[Any], Any]) -> Any:
    """The finest band of a plane [H, W], an array or a tensor: what two blurs by `binomial`, one after the other, take.

    Args:
        plane: a channel.
        blurred: `binomial` of a plane with each border pixel repeated once.
    """
    once = plane - blurred(plane)
    return once - blurred(once)


def binomial(padded: Any) -> Any:
    """A plane [H + 2, W + 2] under the weights 1, 2, 1 in both directions, [H, W]."""
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4


def hold_finest(pixels: np.ndarray, photograph: np.ndarray) -> None:
    """Weakens the finest band of a picture's luma, in place, to the share of the contrast that a photograph's has.

    A picture whose light became more even, as fog does, keeps its edges, and so is finer in relation to its contrast:
    at the same brightness and contrast it would look more grainy. A picture that is calmer than the photograph stays.

    Args:
        pixels: float32 [1, H, W, 3] in [0, 1].
        photograph: what it was made of, the same shape.
    """
    band = np.empty(pixels.shape[1:3], np.float32)
    kept = share_kept(*(moments for picture in (photograph, pixels) for moments in _moments(picture[0], band)))
    if kept < 1:
        pixels[0] -= np.float32(1 - kept) * band[..., np.newaxis]
        pixels.clip(0, 1, out=pixels)


def share_kept(fine: Any, whole: Any, fine_after: Any, whole_after: Any) -> Any:
    """How much of its finest band a picture keeps, of 1; above 1 where it is calmer than its photograph.

    Args:
        fine: the mean square of the photograph's finest band.
        whole: the variance of its luma.
        fine_after: as fine, of the picture.
        whole_after: as whole, of the picture.
    """
    return (fine * whole_after / (fine_after * whole + np.finfo(np.float32).tiny)) ** 0.5


def _moments(pixels: np.ndarray, band: np.ndarray) -> tuple[float, float]:
    """The mean square of the finest band of luma, which is written to band, and the luma's variance; part by part."""
    height = len(pixels)
    squares, first, second = 0.0, 0.0, 0.0
    for top in range(0, height, _BAND_ROWS):
        bottom, start = min(top + _BAND_ROWS, height), max(0, top - FINEST_REACH_PX)
        luma = pixels[start : bottom + FINEST_REACH_PX] @ np.array(colours.LUMA, np.float32)
        own = slice(top - start, bottom - start)
        band[top:bottom] = finest(luma, _blurred)[own]
        squares += float(np.square(band[top:bottom], dtype=np.float64).sum())
        first += float(luma[own].sum(dtype=np.float64))
        second += float(np.square(luma[own], dtype=np.float64).sum())
    mean = first / band.size
    return squares / band.size, max(second / band.size - mean * mean, 0.0)


def _blurred(plane: np.ndarray) -> np.ndarray:
    return np.asarray(binomial(np.pad(plane, 1, mode="edge")))
