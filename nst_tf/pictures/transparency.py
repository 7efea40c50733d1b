"""Pictures with transparent parts, as a network is to see them: no white behind them, and no edge to it."""

import dataclasses

import numpy as np

from nst_tf.pictures import images, inputs

_CERTAIN = 8.0  # a pixel's own colour counts fully from an alpha of 1 / 8 on; below it is blended with those around


def straightened(pictures: inputs.Inputs) -> inputs.Inputs:
    """The pictures of a run, content and styles with `straight` colours."""
    return pictures._replace(
        content=straight(pictures.content),
        styles=tuple(straight(style) for style in pictures.styles),
        photograph=pictures.photograph and straight(pictures.photograph),
    )


def straight(picture: images.Picture) -> images.Picture:
    """A picture with the colours that its pixels have before they are composited on white.

    Where nothing can be seen, the colours around go on, so that a sprite has no edge against its background.

    Args:
        picture: as it was read, composited on white.

    Returns:
        The same with other pixels, not composited; itself where every pixel is opaque.
    """
    if picture.alpha is None:
        return picture
    premultiplied = (picture.pixels - (1 - picture.alpha)).clip(0, 1)
    return dataclasses.replace(picture, pixels=_continued(premultiplied, picture.alpha))


def _continued(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours [1, H, W, 3] of all pixels: their own, and where they have none those of a picture half as large."""
    height, width = alpha.shape[1:3]
    own = (premultiplied / np.maximum(alpha, 1e-6)).clip(0, 1)
    share = (alpha * _CERTAIN).clip(0, 1)
    if share.min() == 1:
        return own.astype(np.float32)
    if height == width == 1:
        return np.where(alpha > 0, own, 1).astype(np.float32)  # nothing can be seen: white, as it was
    around = images.resize(_continued(_halved(premultiplied), _halved(alpha)), height, width)
    return (share * own + (1 - share) * around).astype(np.float32)


def _halved(values: np.ndarray) -> np.ndarray:
    """The mean of each 2 x 2 values [1, H, W, C]; a last odd row or column is repeated."""
    padded = np.pad(values, [(0, 0), (0, values.shape[1] % 2), (0, values.shape[2] % 2), (0, 0)], mode="edge")
    batch, height, width, channels = padded.shape
    return padded.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
