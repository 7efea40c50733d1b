"""The control of colours inside a graph: luminance, as `pictures.colours` and `pictures.controls` have it in NumPy."""

from typing import NamedTuple

import tensorflow as tf

from nst_tf.pictures import colours


class Prepared(NamedTuple):
    """Content and style as a network is to see them, each [B, H, W, 3] in [0, 1]."""

    content: tf.Tensor
    style: tf.Tensor


def before(content: tf.Tensor, style: tf.Tensor, control: str, region: tf.Tensor | None = None) -> Prepared:
    """The pictures of one request: themselves, or for `luminance` their luma, the style's like the content's.

    Args:
        content: float32 [B, H, W, 3] in [0, 1].
        style: the same, of any size.
        control: `style` or `luminance`.
        region: [B, H, W, 1], how much of the style goes to each pixel of the content; everywhere when left out.
    """
    if control != "luminance":
        return Prepared(content, style)
    mean, deviation = _spread(luma(content), region)
    style_mean, style_deviation = _spread(luma(style))
    scale = deviation / tf.maximum(style_deviation, colours.LEAST_DEVIATION)
    grey = tf.clip_by_value((luma(style) - style_mean) * scale + mean, 0.0, 1.0)
    return Prepared(tf.repeat(luma(content), 3, -1), tf.repeat(grey, 3, -1))


def after(image: tf.Tensor, content: tf.Tensor, control: str) -> tf.Tensor:
    """What a network made of the pictures of `before`, with the content's own chroma for `luminance`."""
    if control != "luminance":
        return image
    return tf.clip_by_value(content + luma(image) - luma(content), 0.0, 1.0)


def luma(pixels: tf.Tensor) -> tf.Tensor:
    """[B, H, W, 1]."""
    return tf.reduce_sum(pixels * tf.constant(colours.LUMA), -1, keepdims=True)


def _spread(plane: tf.Tensor, weights: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation of each picture, [B, 1, 1, 1]."""
    if weights is None:
        mean, variance = tf.nn.moments(plane, [1, 2], keepdims=True)
    else:
        mean, variance = tf.nn.weighted_moments(plane, [1, 2], weights, keepdims=True)
    return mean, tf.sqrt(variance)
