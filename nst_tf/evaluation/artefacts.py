"""Faults that no painting has: a crosshatch of a few pixels, specks of colour, and a frame along the edges.

Each measure is taken of the picture and of its style at the same size, and only what the style does not have itself
counts. All are 0 for a picture without the fault. Grey levels and colours are on the 0 to 255 scale.
"""

from typing import NamedTuple

import numpy as np

from nst_tf.pictures import colours

BLOCK_PX = 24  # side of the squares whose spectra and contrast are taken
PERIODS_PX = (2.4, 3.8)  # of the crosshatch
AXIS_DEGREES = 15.0  # how far from an axis, or from a diagonal, waves may lie to count for it
FLAT_SHARE = 0.25  # of the squares: those with the least contrast count as flat
SPECK_LEVELS = 10.0  # by which a speck differs from all that surrounds it
FRAME_PX = 3  # width of the frame
FRAME_REACH_PX = 16  # along an edge, over which colours are averaged
CALM_STRIPS = 6  # inside the frame, between which colours differ as they do without one
_DEPTH_PX = FRAME_PX * (CALM_STRIPS + 1)


class Artefacts(NamedTuple):
    """What a picture has of each fault beyond its style."""

    crosshatch: float  # grey levels, root mean square in the flat regions
    specks: float  # of 1000 pixels
    frame: float  # levels


def measure(pixels: np.ndarray, content: np.ndarray, style: np.ndarray) -> Artefacts:
    """Measures a stylised picture.

    Args:
        pixels: the picture, float [1, H, W, 3] in [0, 1].
        content: what it was made of, the same shape. Its flat regions are where the crosshatch is looked for.
        style: the painting at the size at which it was read, float [1, H', W', 3].

    Returns:
        What the picture has beyond its style, at least 0. The crosshatch is 0 where a side is below BLOCK_PX.
    """
    return Artefacts(
        crosshatch=max(0.0, crosshatch(pixels, content) - crosshatch(style, style)),
        specks=max(0.0, specks(pixels, content) - specks(style, style)),
        frame=max(0.0, frame(pixels) - frame(style)),
    )


def crosshatch(pixels: np.ndarray, content: np.ndarray) -> float:
    """The strength of waves of about 3 px along both axes where the content is flat.

    Their energy along the weaker axis is compared with that along the diagonals: grain runs in all directions and
    strokes in one; what the network's grid leaves runs along both axes.

    Args:
        pixels: float [1, H, W, 3] in [0, 1].
        content: the same shape; the quarter of its squares with the least contrast is flat.

    Returns:
        Grey levels: the root of the excess of energy.
    """
    axes, diagonals = waves(pixels, content)
    return float(np.sqrt(max(0.0, axes - diagonals)))


def waves(pixels: np.ndarray, content: np.ndarray) -> tuple[float, float]:
    """The energy of waves of about 3 px along the weaker axis and along the diagonals, where the content is flat.

    Args:
        pixels: float [1, H, W, 3].
        content: the same shape, as for `crosshatch`.

    Returns:
        Both in squared grey levels, over as many directions as both axes have, of the typical spectrum of the flat
        squares' luminance: the median over the squares, so that single edges do not count.
    """
    squares = _squares(_luminance(pixels))  # [B, s, s]
    if not len(squares):
        return 0.0, 0.0
    squares = squares[_is_flat(content)]
    window = np.outer(_hann(BLOCK_PX), _hann(BLOCK_PX))
    centred = squares - squares.mean(axis=(1, 2), keepdims=True)
    # Energy in squared levels, by Parseval, with what the window takes away divided out.
    energy = np.abs(np.fft.fft2(centred * window)) ** 2 / (np.sum(window**2) * BLOCK_PX**2)
    typical = np.median(energy, axis=0)  # [s, s]
    frequency = np.fft.fftfreq(BLOCK_PX)
    y, x = np.meshgrid(frequency, frequency, indexing="ij")
    radius = np.hypot(x, y)
    band = (radius >= 1 / max(PERIODS_PX)) & (radius <= 1 / min(PERIODS_PX))
    angle = np.degrees(np.arctan2(np.abs(y), np.abs(x)))  # 0 to 90
    across, down = band & (angle <= AXIS_DEGREES), band & (angle >= 90 - AXIS_DEGREES)
    diagonal = band & (np.abs(angle - 45) <= AXIS_DEGREES)
    count = np.count_nonzero(across | down)
    return float(min(typical[across].mean(), typical[down].mean()) * count), float(typical[diagonal].mean() * count)


def specks(pixels: np.ndarray, content: np.ndarray) -> float:
    """How many pixels of 1000 are isolated extremes of luminance or of colour where the content is flat.

    A speck is the highest or lowest of its 3 x 3 neighbours, and differs by SPECK_LEVELS from the median of the 5 x 5
    pixels around it and from each of the 16 that form their edge. A stroke, however thin, crosses that edge.

    Args:
        pixels: float [1, H, W, 3] in [0, 1].
        content: the same shape, as for `crosshatch`.
    """
    luminance = _luminance(pixels)
    if min(luminance.shape) < BLOCK_PX:
        return 0.0
    levels = pixels[0].astype(np.float32) * 255
    found = np.zeros(luminance.shape, bool)
    to_red, to_blue = colours.CHROMA
    chroma = (to_red * (levels[..., 0] - luminance), to_blue * (levels[..., 2] - luminance))  # Cr and Cb
    for plane in (luminance, *chroma):
        for sign in (1, -1):
            found |= _isolated_maxima(sign * plane)
    return float(_squares(found)[_is_flat(content)].mean()) * 1000


def frame(pixels: np.ndarray) -> float:
    """How much more the outermost rows and columns differ from the next ones than those do among each other.

    Colours are averaged over FRAME_REACH_PX along the edge and over strips of FRAME_PX across it.

    Args:
        pixels: float [1, H, W, 3] in [0, 1].

    Returns:
        Levels, the mean over the four edges; 0 where a side is too small for the strips.
    """
    levels = pixels[0].astype(np.float64) * 255
    if min(levels.shape[:2]) < max(_DEPTH_PX, FRAME_REACH_PX):
        return 0.0
    return float(np.mean([_frame_at_the_top(side[:_DEPTH_PX]) for side in from_each_edge(levels)]))


def from_each_edge(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    """A picture [H, W, C] four times, with the upper, lower, left and right edge as its first row."""
    turned = pixels.transpose(1, 0, 2)
    return pixels, pixels[::-1], turned, turned[::-1]


def _frame_at_the_top(rows: np.ndarray) -> float:
    length = rows.shape[1] // FRAME_REACH_PX * FRAME_REACH_PX
    cells = rows[:, :length].reshape(CALM_STRIPS + 1, FRAME_PX, -1, FRAME_REACH_PX, 3).mean(axis=(1, 3))  # [S, n, 3]
    steps = np.linalg.norm(np.diff(cells, axis=0), axis=-1).mean(axis=1)  # from each strip to the next
    return max(0.0, float(steps[0] - steps[1:].max()))


def _is_flat(content: np.ndarray) -> np.ndarray:
    """Which squares of a picture have the least contrast, bool [B]."""
    contrast = _squares(_luminance(content)).std(axis=(1, 2))
    return contrast <= np.quantile(contrast, FLAT_SHARE)


def _isolated_maxima(plane: np.ndarray) -> np.ndarray:
    """Whether each pixel of a plane [H, W] is a speck brighter than its surroundings, [H, W]; strip by strip."""
    padded = np.pad(plane, 2, mode="symmetric")
    found = np.zeros(plane.shape, bool)
    for top in range(0, plane.shape[0], _STRIP_PX):
        around = np.lib.stride_tricks.sliding_window_view(padded[top : top + _STRIP_PX + 4], (5, 5))  # [h, W, 5, 5]
        highest = around[..., 2, 2] >= around[..., 1:4, 1:4].max(axis=(-1, -2))
        rows, columns = np.nonzero(highest)
        near = around[rows, columns].reshape(-1, 25)
        surroundings = np.maximum(near[:, _EDGE].max(axis=1), np.median(near, axis=1))
        found[top + rows, columns] = near[:, 12] - surroundings > SPECK_LEVELS
    return found


_STRIP_PX = 256  # rows at a time, so that a large picture needs little memory
_EDGE = np.flatnonzero(np.pad(np.zeros((3, 3), bool), 1, constant_values=True))  # of 5 x 5


def _squares(plane: np.ndarray) -> np.ndarray:
    """Squares of BLOCK_PX, half overlapping, [B, s, s]; none where the plane is smaller."""
    if min(plane.shape) < BLOCK_PX:
        return np.empty((0, BLOCK_PX, BLOCK_PX))
    view = np.lib.stride_tricks.sliding_window_view(plane, (BLOCK_PX, BLOCK_PX))
    return view[:: BLOCK_PX // 2, :: BLOCK_PX // 2].reshape(-1, BLOCK_PX, BLOCK_PX)


def _luminance(pixels: np.ndarray) -> np.ndarray:
    """Grey levels [H, W]."""
    return np.asarray(pixels[0].astype(np.float32) @ np.array(colours.LUMA, np.float32)) * 255


def _hann(length: int) -> np.ndarray:
    return np.hanning(length + 2)[1:-1]
