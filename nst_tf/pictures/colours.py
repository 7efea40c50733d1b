"""Colours of one picture given to another."""

import numpy as np

_LEAST_DEVIATION = 0.01  # 2.5 grey levels of 255; the noise of a grey picture must not become colour


def match(pixels: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Gives a picture the mean and the covariance of another's colours.

    Args:
        pixels: float32 [1, H, W, 3] in [0, 1].
        like: float32 [1, H', W', 3] in [0, 1].

    Returns:
        float32 [1, H, W, 3], clipped to [0, 1].

    Source: Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer" (arXiv 1606.05897), section 4: the
    linear map that they call Image Analogies', cov(like)^1/2 cov(pixels)^-1/2, in RGB.
    """
    mean, _, inverse = _statistics(pixels)
    like_mean, like_root, _ = _statistics(like)
    matched = (pixels - mean) @ (like_root @ inverse).T + like_mean
    return matched.clip(0, 1).astype(np.float32)


def _statistics(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean [3], and the square root of the covariance and its inverse, both [3, 3]."""
    colours = pixels.reshape(-1, 3).astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(colours, rowvar=False, bias=True))
    deviations = np.sqrt(variances.clip(0))
    root = (directions * deviations) @ directions.T
    inverse = (directions / deviations.clip(_LEAST_DEVIATION)) @ directions.T
    return colours.mean(axis=0), root, inverse
