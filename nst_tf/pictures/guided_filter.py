"""The guided filter: a picture as a locally affine function of a photograph's colours, so that it has its exact edges.

First comes the one affine map of all colours that is nearest to the picture; what a window has beyond it is filtered.
The coefficients are fitted at one size and may be applied at another, so that a small run gives a large picture. Where
they strengthen contrasts they leave the photograph's grain as it is (`fine_contrast`). Time and memory do not grow with
the radius, and both steps go band by band.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nst_tf import errors
from nst_tf.pictures import fine_contrast, inputs

MOST_RADIUS_PX = 64  # of a fit; a larger radius is fitted at a smaller size
HELD = 1e-3  # squared, on the 0 to 1 scale: along colours that vary less the map of the whole picture keeps to I
_FIT_ROWS = 256  # of a band where coefficients are fitted, without its margins
_APPLIED_ROWS = 64  # of a band where they are applied
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # the entries of a symmetric 3 x 3 matrix


class Coefficients(NamedTuple):
    """Of each pixel: q_c = sum_k slopes[..., k, c] I_k + offsets[..., c] for the colours I of a guide."""

    slopes: np.ndarray  # float32 [H, W, 3, 3]
    offsets: np.ndarray  # float32 [H, W, 3]


def of_photograph(
    image: np.ndarray, content: np.ndarray, config: Any, *, photograph: np.ndarray | None = None
) -> np.ndarray:
    """What a network made of a photograph, filtered as its settings say.

    A radius above MOST_RADIUS_PX is that at a smaller size, where the coefficients are fitted: they vary slowly, and a
    fit at 4096 px would take minutes.

    Args:
        image: float32 [1, H, W, 3] in [0, 1], of whatever size.
        content: what it was made of, [1, h, w, 3].
        config: guided_filter_radius and guided_filter_epsilon, whatever the method.
        photograph: the content at the size that the result is to have, [1, H', W', 3]; that of the image if left out.
    """
    if not config.guided_filter_radius:
        return image
    height_px, width_px = image.shape[1:3]
    radius_px = config.guided_filter_radius * max(height_px, width_px)
    scale = min(1.0, MOST_RADIUS_PX / radius_px)
    size = max(1, round(height_px * scale)), max(1, round(width_px * scale))
    coefficients = fit(
        inputs.at_size(image, *size),
        inputs.at_size(content, *size),
        radius_px=max(1, round(radius_px * scale)),
        epsilon=config.guided_filter_epsilon,
    )
    return apply(coefficients, inputs.at_size(content, height_px, width_px) if photograph is None else photograph)


def filtered(image: np.ndarray, guide: np.ndarray, *, radius_px: int, epsilon: float) -> np.ndarray:
    """The picture with the guide's edges: `fit`, then `apply`, at one size."""
    return apply(fit(image, guide, radius_px=radius_px, epsilon=epsilon), guide)


def fit(image: np.ndarray, guide: np.ndarray, *, radius_px: int, epsilon: float) -> Coefficients:
    """The affine functions of a guide's colours that are nearest to a picture, in windows and averaged over them.

    Where the guide's colours hardly vary, the function is that of the whole picture and a shift.

    Args:
        image: p, float32 [1, H, W, 3] in [0, 1].
        guide: I, the same shape.
        radius_px: r, at least 1; a window has 2 r + 1 pixels a side, fewer at the borders.
        epsilon: what the variance of the guide's colours in a window is compared with, above 0, on the 0 to 1 scale
            squared. Where it is less, contrasts are those of the whole picture.

    Raises:
        ImageError: the pictures differ in size.

    Source: He, Sun & Tang 2013, "Guided Image Filtering", eq. 19 to 21, for a guide of three colours.  Deviation:
    what is filtered is not p but what p has beyond `whole_picture_map`. So grain and texture stay, a region that the
    run lost follows the whole picture in place of turning into haze, and an unchanged picture stays unchanged.
    """
    if image.shape != guide.shape:
        raise errors.ImageError(
            f"the guide must be {list(image.shape)}, as the picture. Received: {list(guide.shape)}."
        )
    height, width = image.shape[1:3]
    whole = whole_picture_map(image, guide)
    found = Coefficients(np.empty([height, width, 3, 3], np.float32), np.empty([height, width, 3], np.float32))
    for top in range(0, height, _FIT_ROWS):
        bottom = min(top + _FIT_ROWS, height)
        first, last = max(0, top - 2 * radius_px), min(height, bottom + 2 * radius_px)
        own = slice(top - first, bottom - first)
        colours, targets = (_planes(pixels[0, first:last]) for pixels in (guide, image))
        box_mean = functools.partial(_box_mean, radius_px=radius_px)
        for channel, (slopes, offset) in enumerate(changes(targets, colours, whole.T, box_mean, epsilon)):
            for k, slope in enumerate(slopes):
                found.slopes[top:bottom, :, k, channel] = box_mean(slope)[own] + whole[k, channel]
            found.offsets[top:bottom, :, channel] = box_mean(offset)[own] + whole[3, channel]
    return found


def apply(coefficients: Coefficients, guide: np.ndarray) -> np.ndarray:
    """The picture that coefficients make of a guide, which may be larger or smaller than the one they were fitted to.

    The guide's grain is changed like the colours around it, but not beyond its own strength, and the finest band of the
    picture is no larger a share of its contrast than in the guide.

    Args:
        coefficients: of `fit`; interpolated linearly between their pixels.
        guide: float32 [1, H, W, 3] in [0, 1].

    Returns:
        float32 [1, H, W, 3], clipped to [0, 1].

    Source: He & Sun 2015, "Fast Guided Filter", where the coefficients of a small picture are enlarged.  Deviation:
    the fine contrast.
    """
    height, width = guide.shape[1:3]
    result = np.empty(guide.shape, np.float32)
    margin = 2 * fine_contrast.GRAIN_RADIUS_PX
    for top in range(0, height, _APPLIED_ROWS):
        rows = slice(top, min(top + _APPLIED_ROWS, height))
        slopes, offsets = (_enlarged(values, rows, (height, width)) for values in coefficients)
        first = max(0, top - margin)
        around = guide[0, first : rows.stop + margin]
        grain = fine_contrast.grain(around, _mean_around)[top - first : rows.stop - first]
        calm = _times(guide[0, rows] - grain, slopes)
        result[0, rows] = (offsets + calm + fine_contrast.changed_grain(grain, slopes)).clip(0, 1)
    fine_contrast.hold_finest(result, guide)
    return result


def whole_picture_map(image: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """The affine map of all colours of a guide that is nearest to a picture.

    Args:
        image: p, float32 [1, H, W, 3].
        guide: I, the same shape.

    Returns:
        float64 [4, 3]: p is about (I, 1) times this. Along colours in which the guide varies by less than HELD it keeps
        to p = I: what the nearest map makes of them, three or four times as strong, is mostly noise of the camera.
    """
    colours, targets = (pixels.reshape(-1, 3).astype(np.float64) for pixels in (guide, image))
    known = np.append(colours, np.ones([len(colours), 1]), axis=1)  # [P, 4]
    moments, change = known.T @ known / len(known), known.T @ (targets - colours) / len(known)
    return np.asarray(np.eye(4, 3) + np.linalg.solve(moments + np.diag([HELD, HELD, HELD, 0]), change))


def changes(
    targets: Sequence[Any], colours: Sequence[Any], whole: Any, box_mean: Callable[[Any], Any], epsilon: float
) -> Iterator[tuple[list[Any], Any]]:
    """Slopes a, for each colour, and offset b of every window: what p has beyond the map of the whole is a^T I + b.

    Args:
        targets: the three channels of p, arrays or tensors [H, W].
        colours: those of I.
        whole: for each channel of p, the three slopes and the offset of `whole_picture_map`.
        box_mean: the mean of each pixel's window.
        epsilon: as in `fit`.

    Yields:
        a and b for each channel of p.
    """
    means = [box_mean(plane) for plane in colours]
    inverse = _inverse([box_mean(colours[i] * colours[j]) - means[i] * means[j] for i, j in _PAIRS], epsilon)
    for target, row in zip(targets, whole, strict=True):
        change = target - (row[0] * colours[0] + row[1] * colours[1] + row[2] * colours[2] + row[3])
        mean = box_mean(change)
        c = [box_mean(plane * change) - of_plane * mean for plane, of_plane in zip(colours, means, strict=True)]
        slopes = [row[0] * c[0] + row[1] * c[1] + row[2] * c[2] for row in inverse]
        yield slopes, mean - sum(slope * of_plane for slope, of_plane in zip(slopes, means, strict=True))


def _times(colours: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Colours [H, W, 3] times a matrix for each pixel [H, W, 3, 3]."""
    return np.asarray(sum(colours[..., k, np.newaxis] * slopes[..., k, :] for k in range(3)))


def _planes(pixels: np.ndarray) -> list[np.ndarray]:
    """The channels of pixels [H, W, 3], each on its own and in float64."""
    return [pixels[..., channel].astype(np.float64) for channel in range(3)]


def _inverse(covariances: list[Any], epsilon: float) -> list[list[Any]]:
    """The rows of (Sigma + epsilon)^-1, by Cramer's rule."""
    rr, gg, bb, rg, rb, gb = covariances
    rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
    first = [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg]
    determinant = rr * first[0] + rg * first[1] + rb * first[2]
    middle, last = rg * rb - rr * gb, rr * gg - rg * rg
    rows = [first, [first[1], rr * bb - rb * rb, middle], [first[2], middle, last]]
    return [[entry / determinant for entry in row] for row in rows]


def _box_mean(plane: np.ndarray, radius_px: int) -> np.ndarray:
    """The mean of each pixel's window, of what lies within the plane [H, W]; by running sums."""
    for axis in (0, 1):
        place = np.arange(plane.shape[axis])
        low, high = np.maximum(place - radius_px, 0), np.minimum(place + radius_px + 1, plane.shape[axis])
        sums = np.cumsum(plane, axis=axis)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis=axis)
        counts = (high - low).reshape([-1, 1] if axis == 0 else [1, -1])
        plane = (sums.take(high, axis) - sums.take(low, axis)) / counts
    return plane


def _mean_around(pixels: np.ndarray) -> np.ndarray:
    """The mean of each pixel's window of the grain, of what lies within [H, W, C]; without running sums."""
    radius_px = fine_contrast.GRAIN_RADIUS_PX
    for axis in (0, 1):
        margins = [(0, 0)] * pixels.ndim
        margins[axis] = (radius_px, radius_px)
        length = pixels.shape[axis]
        total = np.zeros_like(pixels)
        counts = np.zeros([length if place == axis else 1 for place in range(pixels.ndim)], pixels.dtype)
        padded, inside = np.pad(pixels, margins), np.pad(np.ones_like(counts), margins)
        for shift in range(2 * radius_px + 1):
            window = (slice(None),) * axis + (slice(shift, shift + length),)
            total += padded[window]
            counts += inside[window]
        pixels = total / counts
    return pixels


def _enlarged(values: np.ndarray, rows: slice, size: tuple[int, int]) -> np.ndarray:
    """Some rows of values [h, w, ...] interpolated to a size (H, W): float32 [rows, W, ...]."""
    if values.shape[:2] == size:
        return values[rows]
    above, below, share = _places(np.arange(rows.start, rows.stop), values.shape[0] / size[0], values.shape[0])
    share = share.reshape([-1, *[1] * (values.ndim - 1)])
    band = values[above] + share * (values[below] - values[above])
    left, right, share = _places(np.arange(size[1]), values.shape[1] / size[1], values.shape[1])
    share = share.reshape([-1, *[1] * (values.ndim - 2)])
    return np.asarray(band[:, left] + share * (band[:, right] - band[:, left]))


def _places(pixels: np.ndarray, step: float, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between which two of count pixels, and how far from the first, the centres of other pixels lie."""
    centres = ((pixels + 0.5) * step - 0.5).clip(0, count - 1)
    first = np.floor(centres).astype(np.intp)
    return first, np.minimum(first + 1, count - 1), (centres - first).astype(np.float32)
