"""The guided filter inside a graph: what `pictures.guided_filter` does at one size, for pictures of any size."""

import tensorflow as tf

from nst_tf.pictures import guided_filter


def of_photograph(image: tf.Tensor, content: tf.Tensor, radius: float, epsilon: float) -> tf.Tensor:
    """What a run made of a photograph, filtered as its settings say.

    Args:
        image: float32 [1, H, W, 3] in [0, 1].
        content: the same shape.
        radius: of the windows, a share of the long side; 0 gives the image.
        epsilon: as in `guided_filter.fit`.
    """
    if not radius:
        return image
    longer_px = tf.cast(tf.reduce_max(tf.shape(image)[1:3]), tf.float64)
    radius_px = tf.maximum(1, tf.cast(tf.round(radius * longer_px), tf.int32))
    targets, colours = (tf.unstack(tf.cast(pixels[0], tf.float64), axis=-1) for pixels in (image, content))

    def box_mean(plane: tf.Tensor) -> tf.Tensor:
        return _box_mean(plane, radius_px)

    filtered = []
    for own, (slopes, offset) in zip(colours, guided_filter.changes(targets, colours, box_mean, epsilon), strict=True):
        change = box_mean(offset)
        for slope, colour in zip(slopes, colours, strict=True):
            change += box_mean(slope) * colour
        filtered.append(own + change)
    return tf.cast(tf.clip_by_value(tf.stack(filtered, axis=-1), 0.0, 1.0), image.dtype)[tf.newaxis]


def _box_mean(plane: tf.Tensor, radius_px: tf.Tensor) -> tf.Tensor:
    """The mean of each pixel's window, of what lies within the plane [H, W]; by running sums."""
    for axis in (0, 1):
        side = tf.shape(plane)[axis]
        place = tf.range(side)
        low, high = tf.maximum(place - radius_px, 0), tf.minimum(place + radius_px + 1, side)
        sums = tf.pad(tf.cumsum(plane, axis), [[1, 0] if axis == padded else [0, 0] for padded in (0, 1)])
        counts = tf.reshape(tf.cast(high - low, plane.dtype), [-1, 1] if axis == 0 else [1, -1])
        plane = (tf.gather(sums, high, axis=axis) - tf.gather(sums, low, axis=axis)) / counts
    return plane
