"""Encoded pictures inside a graph: the header is read and judged before anything is decoded.

What `images` does with files, in TensorFlow ops that any server runs. EXIF orientation, ICC profiles and transparency
are not applied here: a client applies them (`nst_tf.serving.client` does). Branches and loops are TensorFlow's own, so
that these graphs need no AutoGraph, whose conversion takes longer than to trace them.
"""

import tensorflow as tf

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 24  # signature, length and name of IHDR, width, height; PNG 3rd edition, 5.2 and 11.2.1
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_JPEG_MAX_SEGMENTS = 1000  # before the frame header; a profile of 16 MB takes 256
# Markers of a frame header, SOF0 to SOF15 without DHT, JPG and DAC; ITU-T T.81, table B.1
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)


def checked(value: tf.Tensor, condition: tf.Tensor, *message: str | tf.Tensor) -> tf.Tensor:
    """A value that what follows can only have once a condition holds; else the request fails.

    Args:
        value: any tensor. Ops that take the result run after the check: a graph has no other order.
        condition: bool scalar.
        message: strings and scalar tensors, joined.
    """
    # The operation itself: tf.debugging.Assert makes a branch of it, which is two more functions to trace and to load.
    with tf.control_dependencies([tf.raw_ops.Assert(condition=condition, data=[_joined(*message)])]):
        return tf.identity(value)


def decode(data: tf.Tensor, name: str, index: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes a JPEG or PNG.

    Args:
        data: string scalar, the file's bytes.
        name: of the input, for the messages.
        index: int32 scalar, the element of the batch, for the messages.
        max_pixels: a picture whose header says more is refused before it is decoded.

    Returns:
        float32 [1, H, W, 3] in [0, 1]. Alpha is dropped.
    """
    label = _joined(f"{name}[", index, "]: ")
    return tf.ensure_shape(_decoded(data, label, tf.constant(max_pixels, tf.int64)), [1, None, None, 3])


def encode(image: tf.Tensor) -> tf.Tensor:
    """A PNG, string scalar, of float32 [1, H, W, 3] in [0, 1], rounded to the nearest of 256 levels."""
    return tf.io.encode_png(tf.cast(tf.round(tf.clip_by_value(image[0], 0.0, 1.0) * 255.0), tf.uint8))


def fit(size: tf.Tensor, max_side_px: tf.Tensor, min_side_px: int = 0) -> tf.Tensor:
    """`images.fit` on int32 [2]: aspect kept, never larger, the shorter side not below a least one."""
    return scaled_size(size, at_least(size, tf.cast(max_side_px / tf.reduce_max(size), tf.float64), min_side_px))


def at_least(size: tf.Tensor, scale: tf.Tensor, min_side_px: int) -> tf.Tensor:
    """A float64 scale of int32 [2], at most 1, that leaves the shorter side its least length where it has it."""
    return tf.minimum(tf.maximum(scale, tf.cast(min_side_px / tf.reduce_min(size), tf.float64)), 1.0)


def scaled_size(size: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """int32 [2] times a float64 scale, rounded half to even, at least 1."""
    return tf.maximum(tf.cast(tf.round(tf.cast(size, tf.float64) * scale), tf.int32), 1)


def resize(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """`images.resize` in a graph: Lanczos, anti-aliased, clipped to [0, 1].

    Args:
        image: float32 [1, H, W, C].
        size: int32 [2], H' and W'.
    """
    resized = tf.image.resize(image, size, "lanczos3", antialias=True)
    return tf.ensure_shape(tf.clip_by_value(resized, 0.0, 1.0), [1, None, None, image.shape[3]])


def _joined(*parts: str | tf.Tensor) -> tf.Tensor:
    """A message of strings and scalar tensors."""
    return tf.strings.join([part if _is_text(part) else tf.strings.as_string(part) for part in parts])


def _is_text(part: str | tf.Tensor) -> bool:
    """Whether a part of a message is text already; TensorFlow 2.12 has no `as_string` of a string."""
    return isinstance(part, str) or part.dtype == tf.string


@tf.function(  # so that every signature of every bundle calls one function, which is traced once
    input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)],
    autograph=False,
)
def _decoded(data: tf.Tensor, label: tf.Tensor, max_pixels: tf.Tensor) -> tf.Tensor:
    """What `decode` gives; label is the beginning of the messages."""
    is_png = tf.strings.substr(data, 0, len(_PNG_SIGNATURE)) == _PNG_SIGNATURE
    is_jpeg = tf.strings.substr(data, 0, len(_JPEG_SIGNATURE)) == _JPEG_SIGNATURE
    received = (tf.strings.length(data), " bytes of another kind")
    data = checked(data, is_png | is_jpeg, label, "a picture must be a JPEG or a PNG. Received: ", *received)
    header = data
    size = tf.cond(is_png, lambda: _png_size(header), lambda: _jpeg_size(header))
    data = checked(data, size[0] >= 0, label, "the header of the picture does not decode. Send a whole file")
    pixels = size[0] * size[1]
    rule = (label, "a picture must have 1 to ", max_pixels, " pixels. Received: ")
    is_allowed = (pixels > 0) & (pixels <= max_pixels)
    data = checked(data, is_allowed, *rule, size[1], " x ", size[0], " px. Scale it down first")
    levels = tf.cond(
        is_png,
        lambda: tf.io.decode_png(data, channels=3),
        lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"),  # as Pillow, not the fast form
    )
    return tf.cast(levels, tf.float32)[tf.newaxis] / 255.0


def _png_size(data: tf.Tensor) -> tf.Tensor:
    """Height and width in a PNG's header, int64 [2]; -1 where there is none."""
    head = tf.strings.substr(tf.strings.join([data, b"\0" * _PNG_HEADER_BYTES]), 0, _PNG_HEADER_BYTES)
    values = tf.reshape(tf.cast(tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.uint8), tf.int64), [2, 4])
    size = tf.reduce_sum(values * [2**24, 2**16, 2**8, 1], axis=1)[::-1]
    return tf.where(tf.strings.substr(head, 12, 4) == b"IHDR", size, -1)


def _jpeg_size(data: tf.Tensor) -> tf.Tensor:
    """Height and width in a JPEG's frame header, int64 [2]; -1 where there is none. Walks the segments before it."""
    values = tf.io.decode_raw(data, tf.uint8)
    end = tf.size(values) - 8  # a frame header's marker, length, precision and sides take 9 bytes

    def walk(position: tf.Tensor, _: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = tf.cast(values[position : position + 9], tf.int64)
        is_marker = head[0] == 0xFF
        is_frame = is_marker & tf.reduce_any(head[1] == tf.constant(_JPEG_FRAMES, tf.int64))
        size = tf.where(is_frame, tf.stack([head[5] * 256 + head[6], head[7] * 256 + head[8]]), size)
        length = head[2] * 256 + head[3]
        position += tf.where(head[1] == 0xFF, 1, 2 + tf.cast(length, tf.int32))  # 0xFF may fill up
        return position, is_marker & ~is_frame, size

    start = (tf.constant(2), tf.constant(True), tf.constant([-1, -1], tf.int64))
    *_, size = tf.while_loop(
        lambda position, goes_on, _: goes_on & (position < end),
        walk,
        start,
        maximum_iterations=_JPEG_MAX_SEGMENTS,
    )
    return size
