"""Pictures turned by an angle. Imports no TensorFlow."""

import math

import numpy as np
from PIL import Image


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Turns a picture and cuts out the largest upright rectangle that it fills.

    Args:
        pixels: [1, H, W, 3] in [0, 1].
        degrees: counterclockwise, less than 90 to either side.

    Returns:
        float32 [1, H', W', 3], resampled bicubically; the pixels themselves for 0 degrees.
    """
    if not degrees:
        return pixels
    height, width = pixels.shape[1:3]
    rotated = np.stack(
        [
            np.asarray(Image.fromarray(channel, "F").rotate(degrees, Image.Resampling.BICUBIC, expand=True))
            for channel in np.moveaxis(pixels[0].astype(np.float32), -1, 0)
        ],
        axis=-1,
    )
    inner_height, inner_width = _inner(height, width, math.radians(abs(degrees)))
    top, left = (rotated.shape[0] - inner_height) // 2, (rotated.shape[1] - inner_width) // 2
    return rotated[np.newaxis, top : top + inner_height, left : left + inner_width].clip(0, 1)


def _inner(height: int, width: int, radians: float) -> tuple[int, int]:
    """Sides of the largest upright rectangle in one turned by an angle, a pixel short at each edge."""
    sine, cosine = math.sin(radians), math.cos(radians)
    long_px, short_px = max(height, width), min(height, width)
    if short_px <= 2 * sine * cosine * long_px:  # two corners of the rectangle lie on one long side
        half = short_px / 2
        sides = (half / sine, half / cosine) if width >= height else (half / cosine, half / sine)
        inner_width, inner_height = sides
    else:
        inner_width = (width * cosine - height * sine) / math.cos(2 * radians)
        inner_height = (height * cosine - width * sine) / math.cos(2 * radians)
    return max(1, math.floor(inner_height) - 2), max(1, math.floor(inner_width) - 2)
