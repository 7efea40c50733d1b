"""Pooling of 2 x 2 that uses every thread."""

import tensorflow as tf

from nst_tf.vgg import convolution

SIDE = 2  # positions of a window, and from one to the next


def pooled(features: tf.Tensor, pooling: str) -> tf.Tensor:
    """The mean or the largest value of each window of 2 x 2, as Keras' layers give it.

    TensorFlow shares its pooling among threads by picture. Where the height is even, two rows of positions are as good
    as a picture to it, since no window reaches beyond them, so that one picture has work for all threads. The numbers
    are the same.

    Args:
        features: [B, H, W, N]; a last odd row or column is left out.
        pooling: `average` or `max`.

    Returns:
        [B, H // 2, W // 2, N].
    """
    batch, height, width, channels = convolution.sizes(features)
    rows, columns = height // SIDE, width // SIDE
    rest = height % SIDE
    parts = rows * (1 - rest) + rest  # one for an odd height
    pool = tf.nn.avg_pool2d if pooling == "average" else tf.nn.max_pool2d
    y = pool(tf.reshape(features, [batch * parts, height // parts, width, channels]), SIDE, SIDE, "VALID")
    return tf.reshape(y, [batch, rows, columns, channels])
