"""Specks: dots of at most 3 px that are brighter, darker or of another colour than all that surrounds them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow as tf

from nst_tf.losses import terms
from nst_tf.pictures import colours

TOLERATED = 6 / 255  # by which a pixel may exceed its surroundings; `evaluation.artefacts` counts those beyond 10 / 255
_WINDOW_PX = 5  # whose 16 outer pixels surround the one in the middle
_EDGE = _WINDOW_PX - 1


def specks(image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
    """By how much pixels exceed the 16 around them, squared.

    A pixel's luma, Cr and Cb are each compared with the edge of the 5 x 5 pixels around it, and what lies more than
    `TOLERATED` above its highest or below its lowest value counts. A stroke, however thin, crosses that edge.

    Args:
        image: [B, H, W, 3] in [0, 1].
        size: int32 [H, W] of the picture that the image is a part of, over whose pixels the mean is to be taken.

    Returns:
        [B], the sum over the pixels, their three planes and both signs, divided by the number of pixels. The two
        outermost rows and columns have no full window and do not count.

    Source: not in the paper. Where it is 0, `evaluation.artefacts.specks` finds none inside the two outermost rows and
    columns.
    """
    pixels = tf.reduce_prod(tf.cast(tf.shape(image)[1:3] if size is None else size, tf.int64))  # may pass 2**31

    @tf.custom_gradient
    def total(image: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        planes = tf.einsum("bhwc,pc->bphw", image, tf.constant(_PLANES, image.dtype))
        missing = tf.maximum(_WINDOW_PX - tf.shape(planes)[2:], 0)
        x = tf.pad(tf.concat([planes, -planes], 1), [[0, 0], [0, 0], [0, missing[0]], [0, missing[1]]])
        beyond = tf.nn.relu(x[:, :, 2:-2, 2:-2] - _around(x) - TOLERATED)
        beyond *= tf.cast(tf.reduce_all(missing == 0), x.dtype)
        of_highest, of_lowest = tf.split(_slope(x, beyond), 2, axis=1)
        slope = tf.einsum("bphw,pc->bhwc", of_highest - of_lowest, tf.constant(_PLANES, image.dtype))
        slope = slope[:, : tf.shape(image)[1], : tf.shape(image)[2]]

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream[:, tf.newaxis, tf.newaxis, tf.newaxis] * slope

        return tf.reduce_sum(tf.square(beyond), axis=[1, 2, 3]), gradient

    return total(image) / tf.cast(pixels, image.dtype)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpecksTerm(terms.PixelTerm):
    """The weighted specks. A window reaches four rows beyond its first."""

    name: ClassVar[str] = "specks"
    reach_rows: ClassVar[int] = _EDGE

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        return self.weight * specks(image, size)


def _around(x: tf.Tensor) -> tf.Tensor:
    """The highest value on the edge of each 5 x 5 window, [B, P, H - 4, W - 4], of planes x [B, P, H, W]."""
    three = _highest(x[..., :-2], x[..., 1:-1], x[..., 2:])  # side by side
    rows = _highest(three[..., :-2], three[..., 2:])  # of 5 pixels
    columns = _highest(x[:, :, 1:-3], x[:, :, 2:-2], x[:, :, 3:-1])  # of 3 pixels, without the corners
    return _highest(rows[:, :, :-_EDGE], rows[:, :, _EDGE:], columns[..., :-_EDGE], columns[..., _EDGE:])


def _highest(*values: tf.Tensor) -> tf.Tensor:
    return functools.reduce(tf.maximum, values)


def _slope(x: tf.Tensor, beyond: tf.Tensor) -> tf.Tensor:
    """The gradient of the sum of the squares of `beyond` with respect to x, which few windows have a part in."""
    shape = tf.shape(x)
    found = tf.cast(tf.where(beyond > 0), tf.int32)  # [K, 4]
    slopes = 2 * tf.gather_nd(beyond, found)
    plane, y, column = found[:, 0] * shape[1] + found[:, 1], found[:, 2] + _EDGE // 2, found[:, 3] + _EDGE // 2
    middle = (plane * shape[2] + y) * shape[3] + column  # places in x laid flat
    steps = tf.constant(_EDGE_PLACES)[:, 0] * shape[3] + tf.constant(_EDGE_PLACES)[:, 1]  # [16]
    flat = tf.reshape(x, [-1])
    highest = middle + tf.gather(steps, tf.argmax(tf.gather(flat, middle[:, tf.newaxis] + steps), axis=1))
    parts, places = tf.concat([slopes, -slopes], 0), tf.concat([middle, highest], 0)
    return tf.reshape(tf.math.unsorted_segment_sum(parts, places, tf.size(flat)), shape)


def _planes() -> np.ndarray:
    """Luma, Cr and Cb from R, G and B, [3, 3]."""
    red, _, blue = np.eye(3)
    to_red, to_blue = colours.CHROMA
    return np.stack([colours.LUMA, to_red * (red - colours.LUMA), to_blue * (blue - colours.LUMA)])


_PLANES = _planes()
_EDGE_PLACES = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if max(abs(y), abs(x)) == 2]  # from the middle
