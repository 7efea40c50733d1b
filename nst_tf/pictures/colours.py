"""Colours of one picture given to another: affine maps in RGB, and the luma of one with the chroma of the other."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nst_tf import errors

LUMA = (0.299, 0.587, 0.114)  # of R, G and B as sRGB holds them; ITU-R BT.601
CHROMA = (0.713, 0.564)  # Cr of R less luma, Cb of B less luma; ITU-R BT.601
LEAST_DEVIATION = 0.01  # 2.5 grey levels of 255; the noise of a grey picture must not become colour


class ColourMap(NamedTuple):
    """An affine map of colours: c becomes matrix @ c + offset, for columns c = (R, G, B) in [0, 1]."""

    matrix: np.ndarray  # float64 [3, 3]
    offset: np.ndarray  # float64 [3]

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The colours [..., 3] of a picture mapped, as float32, clipped to [0, 1]."""
        return (pixels @ self.matrix.T + self.offset).clip(0, 1).astype(np.float32)


def colour_map(
    pixels: np.ndarray,
    like: np.ndarray,
    kind: str,
    *,
    weights: np.ndarray | None = None,
    like_weights: np.ndarray | None = None,
) -> ColourMap:
    """The map that gives a picture the mean and the covariance of another's colours.

    There are many such maps. `mk`, Monge and Kantorovich's, moves the colours least. `pca` goes by way of white
    colours, cov(like)^1/2 cov(pixels)^-1/2. `cholesky` uses triangular roots, so that it depends on the order of the
    channels. Where the picture has no spread, as a grey one has none across the grey axis, it gets none.

    Args:
        pixels: float32 [1, H, W, 3] in [0, 1].
        like: float32 [1, H', W', 3] in [0, 1].
        kind: a key of `MATRICES`.
        weights: float32 [1, H, W, 1], at least 0: how much each pixel counts, such as its alpha. All alike when left
            out.
        like_weights: the same of `like`.

    Raises:
        ConfigError: an unknown kind.

    Source: Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer" (arXiv 1606.05897), section 4, for
    pca (there: Image Analogies') and cholesky; Pitie & Kokaram 2007, "The linear Monge-Kantorovitch linear colour
    mapping", eq. 17, for mk.
    """
    if kind not in MATRICES:
        raise errors.ConfigError(f"colour_map must be one of {', '.join(MATRICES)}. Received: {kind!r}.")
    source, target = _spread(pixels, weights), _spread(like, like_weights)
    matrix = MATRICES[kind](source, target)
    return ColourMap(matrix, target.mean - matrix @ source.mean)


def match(
    pixels: np.ndarray,
    like: np.ndarray,
    kind: str,
    *,
    weights: np.ndarray | None = None,
    like_weights: np.ndarray | None = None,
) -> np.ndarray:
    """A picture with the mean and the covariance of another's colours; arguments are those of `colour_map`.

    Returns:
        float32 [1, H, W, 3], clipped to [0, 1].
    """
    return colour_map(pixels, like, kind, weights=weights, like_weights=like_weights).apply(pixels)


def grey(pixels: np.ndarray) -> np.ndarray:
    """The luma of a picture [1, H, W, 3], in each of its channels."""
    return np.repeat(luma(pixels), 3, axis=-1)


def luma(pixels: np.ndarray) -> np.ndarray:
    """Luma of a picture [1, H, W, 3]: float32 [1, H, W, 1] in [0, 1]."""
    return (pixels @ np.array(LUMA, np.float32))[..., np.newaxis].clip(0, 1)


def grey_like(
    pixels: np.ndarray,
    like: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    like_weights: np.ndarray | None = None,
) -> np.ndarray:
    """The luma of a picture, shifted and scaled to the mean and the deviation of another's; as `grey` has it.

    Source: Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", eq. 11.
    """
    return luma_map(pixels, like, weights=weights, like_weights=like_weights).apply(grey(pixels))


def luma_map(
    pixels: np.ndarray,
    like: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    like_weights: np.ndarray | None = None,
) -> ColourMap:
    """The map of greys that gives a picture's luma the mean and the deviation of another's; as `grey_like` has it."""
    mean, deviation = _luma_spread(pixels, weights)
    like_mean, like_deviation = _luma_spread(like, like_weights)
    scale = like_deviation / max(deviation, LEAST_DEVIATION)
    return ColourMap(scale * np.eye(3), np.full(3, like_mean - scale * mean))


def with_luma(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A picture with the luma of another of its size and its own chroma, float32 [1, H, W, 3], clipped to [0, 1].

    Source: Gatys et al. 2016, the same, section 3. Changing Y of YUV by d changes R, G and B by d each.
    """
    return (pixels + (luma(image) - luma(pixels))).clip(0, 1)


class _Spread(NamedTuple):
    """How colours are spread: their mean [3] and, each [3, 3], covariance, its root and the root's inverse."""

    mean: np.ndarray
    covariance: np.ndarray
    root: np.ndarray
    inverse: np.ndarray  # of the root, whose eigenvalues are no less than LEAST_DEVIATION here


def _spread(pixels: np.ndarray, weights: np.ndarray | None) -> _Spread:
    colours = pixels.reshape(-1, 3).astype(np.float64)
    shares = _shares(pixels, weights)
    mean = shares @ colours
    centred = colours - mean
    covariance = (centred * shares[:, np.newaxis]).T @ centred
    deviations, directions = _eigen_roots(covariance)
    root = (directions * deviations) @ directions.T
    inverse = (directions / deviations.clip(LEAST_DEVIATION)) @ directions.T
    return _Spread(mean, covariance, root, inverse)


def _luma_spread(pixels: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """Mean and standard deviation of a picture's luma."""
    values, shares = luma(pixels).reshape(-1).astype(np.float64), _shares(pixels, weights)
    mean = float(shares @ values)
    return mean, float(np.sqrt(shares @ (values - mean) ** 2))


def _shares(pixels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The share of each pixel [H W], which add up to 1; equal where no pixel has a weight."""
    count = pixels.shape[1] * pixels.shape[2]
    values = np.ones(count) if weights is None or not weights.any() else weights.reshape(-1).astype(np.float64)
    return values / values.sum()


def _eigen_roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The roots of the eigenvalues [3], and the eigenvectors in columns."""
    variances, directions = np.linalg.eigh(covariance)
    return np.sqrt(variances.clip(0)), directions


def _monge_kantorovich(source: _Spread, target: _Spread) -> np.ndarray:
    deviations, directions = _eigen_roots(source.root @ target.covariance @ source.root)
    return source.inverse @ (directions * deviations) @ directions.T @ source.inverse


def _principal(source: _Spread, target: _Spread) -> np.ndarray:
    return target.root @ source.inverse


def _cholesky(source: _Spread, target: _Spread) -> np.ndarray:
    return _lower(target.root) @ np.linalg.inv(_lower(np.linalg.inv(source.inverse)))


def _lower(root: np.ndarray) -> np.ndarray:
    """The lower triangular L with L L^T = root root^T and no negative diagonal; the root may be singular."""
    upper = np.linalg.qr(root.T, mode="r")
    return (np.where(np.diag(upper) < 0, -1.0, 1.0)[:, np.newaxis] * upper).T


MATRICES: dict[str, Callable[[_Spread, _Spread], np.ndarray]] = {
    "mk": _monge_kantorovich,
    "pca": _principal,
    "cholesky": _cholesky,
}
