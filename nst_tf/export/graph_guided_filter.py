"""The guided filter inside a graph: what `guided_filter.of_photograph` does, for pictures of any size."""

import numpy as np
import tensorflow as tf

from nst_tf.export import graph_colours, graph_pictures
from nst_tf.pictures import colours as picture_colours
from nst_tf.pictures import fine_contrast, guided_filter


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
    size = tf.shape(image)[1:3]
    radius_px = tf.constant(radius, tf.float64) * tf.cast(tf.reduce_max(size), tf.float64)
    scale = tf.minimum(tf.constant(1.0, tf.float64), guided_filter.MOST_RADIUS_PX / radius_px)
    window_px = tf.maximum(1, tf.cast(tf.round(radius_px * scale), tf.int32))
    fitted_size = graph_pictures.scaled_size(size, scale)
    targets, colours = (
        tf.unstack(tf.cast(graph_pictures.resize(pixels, fitted_size)[0], tf.float64), axis=-1)
        for pixels in (image, content)
    )

    def box_mean(plane: tf.Tensor) -> tf.Tensor:
        return _box_mean(plane, window_px)

    whole = _whole_picture_map(targets, colours)
    of_grain = _grain(content)
    calm = content - of_grain
    filtered, grains, of_grey = [], [], tf.zeros_like(content[..., :1])
    rows = [tf.unstack(whole[:, channel]) for channel in range(3)]
    found = guided_filter.changes(targets, colours, rows, box_mean, epsilon)
    for row, (slopes, offset), weight in zip(rows, found, picture_colours.LUMA, strict=True):
        beyond = tf.stack([*map(box_mean, slopes), box_mean(offset)], axis=-1)[tf.newaxis]  # [1, h, w, 4]
        coefficients = beyond + tf.stack(row)
        *slopes, offset = tf.split(tf.image.resize(tf.cast(coefficients, image.dtype), size), 4, axis=-1)
        filtered.append(offset + tf.add_n([slope * calm[..., k : k + 1] for k, slope in enumerate(slopes)]))
        grains.append(tf.add_n([slope * of_grain[..., k : k + 1] for k, slope in enumerate(slopes)]))
        of_grey += weight * tf.add_n(slopes)
    grain = _changed_grain(of_grain, tf.concat(grains, axis=-1), tf.clip_by_value(of_grey, -1.0, 1.0))
    return _with_finest_held(tf.clip_by_value(tf.concat(filtered, axis=-1) + grain, 0.0, 1.0), content)


def _changed_grain(of_grain: tf.Tensor, changed: tf.Tensor, of_grey: tf.Tensor) -> tf.Tensor:
    """`fine_contrast.changed_grain` [1, H, W, 3], of what the slopes make of grain and of greys."""
    before, after = (tf.norm(values, axis=-1, keepdims=True) for values in (of_grain, changed))
    changed *= tf.minimum(1.0, before / tf.maximum(after, np.finfo(np.float32).tiny))
    return changed + of_grey * graph_colours.luma(of_grain) - graph_colours.luma(changed)


def _with_finest_held(image: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """A picture [1, H, W, 3] as `fine_contrast.hold_finest` leaves it."""

    def blurred(plane: tf.Tensor) -> tf.Tensor:
        return fine_contrast.binomial(tf.pad(plane, [[1, 1], [1, 1]], mode="SYMMETRIC"))

    lumas = [graph_colours.luma(pixels)[0, :, :, 0] for pixels in (content, image)]
    bands = [fine_contrast.finest(plane, blurred) for plane in lumas]
    moments = [
        measure
        for plane, band in zip(lumas, bands, strict=True)
        for measure in (tf.reduce_mean(tf.square(band)), tf.math.reduce_variance(plane))
    ]
    lost = tf.maximum(0.0, 1 - fine_contrast.share_kept(*moments))
    return tf.clip_by_value(image - lost * bands[1][tf.newaxis, :, :, tf.newaxis], 0.0, 1.0)


def _grain(content: tf.Tensor) -> tf.Tensor:
    """`fine_contrast.grain` of a picture [1, H, W, 3]."""

    def box_mean(plane: tf.Tensor) -> tf.Tensor:
        return _box_mean(plane, tf.constant(fine_contrast.GRAIN_RADIUS_PX))

    planes = tf.unstack(tf.cast(content[0], tf.float64), axis=-1)
    return tf.cast(tf.stack([fine_contrast.grain(plane, box_mean) for plane in planes], -1), content.dtype)[tf.newaxis]


def _whole_picture_map(targets: list[tf.Tensor], colours: list[tf.Tensor]) -> tf.Tensor:
    """`guided_filter.whole_picture_map`, float64 [4, 3], of channels [H, W]."""
    known = tf.stack([tf.reshape(plane, [-1]) for plane in (*colours, tf.ones_like(colours[0]))], axis=1)  # [P, 4]
    change = tf.stack([tf.reshape(p - i, [-1]) for p, i in zip(targets, colours, strict=True)], axis=1)  # [P, 3]
    count = tf.cast(tf.shape(known)[0], known.dtype)
    held = tf.constant(np.diag([guided_filter.HELD] * 3 + [0.0]), known.dtype)
    moments = tf.matmul(known, known, transpose_a=True) / count + held
    return tf.eye(4, 3, dtype=known.dtype) + tf.linalg.solve(
        moments, tf.matmul(known, change, transpose_a=True) / count
    )


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
