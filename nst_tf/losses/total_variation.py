"""Total variation in the forms of this and of other systems; not in the paper.

Each is a function of images [B, H, W, 3] in [0, 1].
"""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from nst_tf.losses import terms


def total_variation(image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
    """Mean squared difference between neighbouring pixels.

    Args:
        image: [B, H, W, 3] in [0, 1].
        size: int32 [H, W] of the picture that the image is a part of, over whose neighbours the mean is to be taken.

    Returns:
        [B], the mean over vertical neighbours plus the mean over horizontal ones. A picture of one row or column has no
        neighbours in that direction, which then counts 0.

    Source: not in the paper; the squared form of Mahendran & Vedaldi 2015 (beta = 2), as a mean so that a weight means
    the same at every size.

    Example:
        >>> image = tf.constant([[[[0.0] * 3, [0.5] * 3]]])  # one row, two pixels
        >>> float(total_variation(image)[0])
        0.25
    """
    size = tf.shape(image)[1:3] if size is None else size
    height, width = tf.unstack(tf.cast(size, tf.int64))  # counts of pixels may pass 2**31
    channels = tf.shape(image, tf.int64)[3]
    directions = (
        (_differences(image, 1), (height - 1) * width * channels),
        (_differences(image, 2), height * (width - 1) * channels),
    )
    return sum(
        tf.math.divide_no_nan(tf.reduce_sum(tf.square(difference), axis=[1, 2, 3]), tf.cast(count, image.dtype))
        for difference, count in directions
    )


def total_variation_absolute_sum(image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
    """Sum of the absolute differences between neighbouring pixels.

    Args:
        image: [B, H, W, 3] in [0, 1].
        size: not used; as for `total_variation`.

    Returns:
        [B].

    Source: `tf.image.total_variation`, as the TensorFlow tutorial "Neural style transfer" takes it.
    """
    return tf.image.total_variation(image)


def total_variation_squared_sum(image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
    """Half the sum of the squared differences between neighbouring pixels of the 0-255 scale.

    Args:
        image: [B, H, W, 3] in [0, 1].
        size: not used; as for `total_variation`.

    Returns:
        [B].

    Source: jcjohnson/neural-style 053a6e3, whose TVLoss has this function's gradient.  Deviation: its scale is 0-256.
    """
    return tf.reduce_sum(_squared_differences(image), axis=[1, 2, 3]) / 2


def total_variation_power_sum(image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
    """Sum over the pixels of the squared differences to both next neighbours to the power 1.25, on the 0-255 scale.

    Args:
        image: [B, H, W, 3] in [0, 1].
        size: not used; as for `total_variation`.

    Returns:
        [B].

    Source: the keras.io example "Neural style transfer" (keras-io 0896b2e).
    """
    return tf.reduce_sum(_squared_differences(image) ** 1.25, axis=[1, 2, 3])


def _squared_differences(image: tf.Tensor) -> tf.Tensor:
    """(down)^2 + (right)^2 of each pixel that has both neighbours, on the 0-255 scale, [B, H - 1, W - 1, 3]."""
    image = image * 255.0
    corner = image[:, :-1, :-1]
    return tf.square(image[:, 1:, :-1] - corner) + tf.square(image[:, :-1, 1:] - corner)


def _differences(image: tf.Tensor, axis: int) -> tf.Tensor:
    """Of each pixel from the one before it along an axis: [B, H - 1, W, 3] along 1, [B, H, W - 1, 3] along 2.

    The gradient of tf.slice is a padding, which takes an eighth of the time of that of image[:, 1:].
    """
    one = tf.one_hot(axis, 4, dtype=tf.int32)
    later, earlier = (tf.slice(image, begin, tf.shape(image) - one) for begin in (one, tf.zeros_like(one)))
    difference = later - earlier
    difference.set_shape([image.shape[0], None, None, image.shape[3]])
    return difference


TOTAL_VARIATIONS = {
    "mean-squared": total_variation,
    "squared-sum": total_variation_squared_sum,
    "absolute-sum": total_variation_absolute_sum,
    "power-sum": total_variation_power_sum,
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TotalVariationTerm(terms.PixelTerm):
    """The weighted total variation.

    Attributes:
        form: a key of `TOTAL_VARIATIONS`.
    """

    name: ClassVar[str] = "total_variation"
    reach_rows: ClassVar[int] = 1

    form: str

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted total variation, [B]; 0 where it has no weight."""
        if not self.weight:
            return tf.zeros_like(image[:, 0, 0, 0])
        return self.weight * TOTAL_VARIATIONS[self.form](image, size)
