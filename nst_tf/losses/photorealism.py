"""The matting term: it keeps the generated image a locally affine function of the content picture's colours.

Where a photograph is to stay one, its colours may change, but in each window of 3 x 3 pixels only as an affine function
of what was there. The sum over the windows is x^T L x with the matting Laplacian L of Levin et al., which is never
built: a window contributes the variance of x that the content's colours do not explain.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import tensorflow as tf

from nst_tf.losses import loops, terms, tiles

# Levin et al.'s regularisation, on the 0 to 1 scale. EPSILON / 9, which a window's variance is compared with, is then
# that of the rounding to 8 bits, (1 / 255)^2 / 12 = 1.3e-6: what is rounding noise in the content explains nothing.
EPSILON = 1e-5

_WINDOW_PX = 3
_STRIP_ROWS = 128  # of the content whose covariances are inverted at once, in float64
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # the entries of a symmetric 3 x 3 matrix that are kept


def unexplained_variance(
    image: tf.Tensor, content: tf.Tensor, inverse: tf.Tensor, size: tf.Tensor | None = None
) -> tf.Tensor:
    """How far an image is from a locally affine function of the content's colours.

    In each 3 x 3 window it is the least mean of (x - a^T I - b)^2 + (epsilon / 9) |a|^2 over a and b, which is
    var(x) - c^T (Sigma + epsilon / 9)^-1 c with c the covariances of x and the content's colours I.

    Args:
        image: x, [B, H, W, 3] in [0, 1].
        content: I, [1, H, W, 3] in [0, 1].
        inverse: of `inverse_covariances` for the same rows.
        size: int32 [H, W] of the picture that the image is a part of, over whose windows the mean is to be taken.

    Returns:
        [B], the mean over the windows and the three channels, in squared units of the 0 to 1 scale; 0 where there is no
        window.

    Source: Luan et al. 2017, eq. 2, with the Laplacian of Levin et al. 2008, eq. 12: x^T L x summed over the channels
    is 27 times the number of windows times this.  Deviations: the mean, so that a weight hardly depends on the size;
    epsilon 1e-5 in place of 1e-7.
    """
    size = tf.shape(image)[1:3] if size is None else size
    height, width = tf.unstack(tf.cast(size, tf.int64) - (_WINDOW_PX - 1))  # counts may pass 2**31
    count = tf.cast(tf.maximum(height, 0) * tf.maximum(width, 0) * 3, image.dtype)

    @tf.custom_gradient
    def mean(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        unexplained, a, b = _fit(x, content, inverse)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            slope = tf.math.divide_no_nan(upstream, count)  # [B]
            return slope[:, tf.newaxis, tf.newaxis, tf.newaxis] * _sum_gradient(x, content, a, b)

        return tf.math.divide_no_nan(tf.reduce_sum(unexplained, axis=[1, 2, 3]), count), gradient

    return mean(image)


def inverse_covariances(content: tf.Tensor) -> tf.Tensor:
    """(Sigma + epsilon / 9)^-1 of every 3 x 3 window of a picture's colours, computed in float64 strip by strip.

    Args:
        content: [1, H, W, 3] in [0, 1].

    Returns:
        [1, H, W, 6] in the content's dtype: the entries rr, gg, bb, rg, rb, gb of the window whose first pixel this is;
        0 in the last two rows and columns, which start no window.
    """
    shape = tf.shape(content)
    inverse = tf.zeros(tf.concat([shape[:3], [len(_PAIRS)]], 0), content.dtype)
    left = tf.constant(0)
    rows, columns = tf.unstack(tf.maximum(shape[1:3] - (_WINDOW_PX - 1), 0))  # of windows

    def with_strip(top: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
        bottom = tf.minimum(top + _STRIP_ROWS, rows)
        pixels = tf.cast(content[:, top : bottom + _WINDOW_PX - 1], tf.float64)
        strip = tiles.Tile(top, bottom, left, columns, top, bottom, left, columns)
        return tiles.with_part_added(inverse, strip, tf.cast(_inverse(pixels), content.dtype))

    return loops.in_order(with_strip, inverse, rows, _STRIP_ROWS)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PhotorealismTerm(terms.PixelTerm):
    """The weighted matting term. A window reaches two rows beyond its first."""

    name: ClassVar[str] = "photorealism"
    reach_rows: ClassVar[int] = _WINDOW_PX - 1

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """The content picture and its windows' inverse covariances: 36 bytes a pixel in float32."""
        return {"content": content, "inverse": inverse_covariances(content)}

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        return self.weight * unexplained_variance(image, target["content"], target["inverse"], size)


def _fit(x: tf.Tensor, content: tf.Tensor, inverse: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor]:
    """The unexplained variance, a for each colour of the content, and b, of every window: each [B, H - 2, W - 2, 3]."""
    products = [x, tf.square(x), *(content[..., k : k + 1] * x for k in range(3))]
    mean, square, *with_colour = tf.split(_window_mean(tf.concat(products, -1)), 5, axis=-1)
    colour = tf.split(_window_mean(content), 3, axis=-1)
    c = [moment - colour[k] * mean for k, moment in enumerate(with_colour)]
    rr, gg, bb, rg, rb, gb = tf.split(inverse[:, :-2, :-2], 6, axis=-1)  # the last two rows and columns start none
    rows = ((rr, rg, rb), (rg, gg, gb), (rb, gb, bb))
    a = tuple(row[0] * c[0] + row[1] * c[1] + row[2] * c[2] for row in rows)
    explained = a[0] * c[0] + a[1] * c[1] + a[2] * c[2]
    b = mean - (a[0] * colour[0] + a[1] * colour[1] + a[2] * colour[2])
    return square - tf.square(mean) - explained, a, b


def _sum_gradient(x: tf.Tensor, content: tf.Tensor, a: tuple[tf.Tensor, ...], b: tf.Tensor) -> tf.Tensor:
    """The gradient of the sum over the windows with respect to x: 2 / 9 (x - a^T I - b), summed over a pixel's windows.

    a and b are the best, so that the sum does not change with them.
    """
    sums = _window_sum(tf.concat([*a, b, tf.ones_like(b[..., :1])], -1), x)
    *slopes, shift, windows = tf.split(sums, [3, 3, 3, 3, 1], axis=-1)
    fitted = shift + tf.add_n([content[..., k : k + 1] * slopes[k] for k in range(3)])
    return 2 / _WINDOW_PX**2 * (windows * x - fitted)


def _inverse(pixels: tf.Tensor) -> tf.Tensor:
    """The inverses of a strip's regularised covariances, [1, H - 2, W - 2, 6], by Cramer's rule."""
    mean = _window_mean(pixels)
    products = _window_mean(tf.concat([pixels[..., i : i + 1] * pixels[..., j : j + 1] for i, j in _PAIRS], -1))
    covariances = products - tf.concat([mean[..., i : i + 1] * mean[..., j : j + 1] for i, j in _PAIRS], -1)
    rr, gg, bb, rg, rb, gb = tf.unstack(covariances, axis=-1)
    rr, gg, bb = (variance + EPSILON / _WINDOW_PX**2 for variance in (rr, gg, bb))
    adjugate = tf.stack(
        [
            *(gg * bb - gb * gb, rr * bb - rb * rb, rr * gg - rg * rg),
            *(rb * gb - rg * bb, rg * gb - rb * gg, rg * rb - rr * gb),
        ],
        axis=-1,
    )
    determinant = rr * adjugate[..., 0] + rg * adjugate[..., 3] + rb * adjugate[..., 4]
    return adjugate / determinant[..., tf.newaxis]


def _window_mean(image: tf.Tensor) -> tf.Tensor:
    """The mean of every 3 x 3 window, [B, H - 2, W - 2, C]; none where a side is shorter."""
    return tf.nn.avg_pool2d(image, _WINDOW_PX, 1, "SAME")[:, 1:-1, 1:-1]  # with VALID, one row alone would be refused


def _window_sum(values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The sum over the windows that a pixel is in, [B, H, W, C], of values of the windows, [B, H - 2, W - 2, C]."""
    edge = _WINDOW_PX - 1
    sums = _WINDOW_PX**2 * tf.nn.avg_pool2d(tf.pad(values, [[0, 0], [edge] * 2, [edge] * 2, [0, 0]]), 3, 1, "VALID")
    return sums[:, : tf.shape(x)[1], : tf.shape(x)[2]]  # a side of 1 has no window, and fewer pixels than edges
