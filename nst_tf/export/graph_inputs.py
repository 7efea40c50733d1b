"""The inputs of a request, checked inside the graph: each check fails the request and names the element."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.export import graph_pictures

Tensors = dict[str, tf.Tensor]


def specs(batched: Mapping[str, tf.DType]) -> dict[str, tf.TensorSpec]:
    """Rank-1 signature inputs [batch] by name."""
    return {name: tf.TensorSpec([None], dtype, name) for name, dtype in batched.items()}


def style_side_px(config: configs.StyleTransferConfig | configs.AdainConfig) -> int | None:
    """The size at which a graph reads the style of a request.

    Raises:
        ConfigError: there are several.
    """
    if isinstance(config.style_max_side_px, tuple):
        raise errors.ConfigError(
            "style_max_side_px (--style_size) must be one size in a graph that gets one style. Received: "
            f"{', '.join(map(str, config.style_max_side_px))}. Give one, or bake the styles in."
        )
    return config.style_max_side_px


def with_index(inputs: Tensors) -> Tensors:
    """The inputs and `index`, int32 [B], the place of each element; fails where the inputs differ in length."""
    lengths = tf.stack([tf.shape(value)[0] for value in inputs.values()])
    batch = graph_pictures.checked(
        lengths[0],
        tf.reduce_all(lengths == lengths[0]),
        f"the inputs {', '.join(inputs)} must have one length. Received: ",
        tf.strings.reduce_join(tf.strings.as_string(lengths), separator=", "),
    )
    return inputs | {"index": tf.range(batch)}


def each(stylized: Callable[[Tensors], tf.Tensor], inputs: Tensors) -> dict[str, tf.Tensor]:
    """The answer of a signature for encoded pictures: what `stylized` makes of each element, one after the other."""
    return {"stylized_bytes": tf.map_fn(stylized, inputs, fn_output_signature=tf.string, parallel_iterations=1)}


def content(element: Tensors, max_side_px: int, min_side_px: int, max_pixels: int) -> tf.Tensor:
    """The content picture of one element of a request for encoded pictures, at the size of its result.

    Args:
        element: content_bytes, max_side_px and index, scalars.
        max_side_px: the largest that a request may ask for.
        min_side_px: the least of the shorter side.
        max_pixels: of a picture before it is scaled.

    Returns:
        float32 [1, H, W, 3] in [0, 1].
    """
    index = element["index"]
    picture = graph_pictures.decode(element["content_bytes"], "content_bytes", index, max_pixels)
    size = graph_pictures.fit(tf.shape(picture)[1:3], tf.minimum(element["max_side_px"], max_side_px))
    return at_least(graph_pictures.resize(picture, size), min_side_px, "content_bytes", index)


def pixels(inputs: Tensors, name: str, min_side_px: int, max_side_px: int) -> tf.Tensor:
    """Pictures [B, H, W, 3] of a request for tensors, their sides and values checked, cut to [0, 1]."""
    values = at_most(inputs[name], max_side_px, name)
    values = at_least(values, min_side_px, name, tf.constant(0))
    return tf.clip_by_value(finite(values, name), 0.0, 1.0)


def within(values: tf.Tensor, name: str, high: float) -> tf.Tensor:
    """float32 [B]; fails where one is not in [0, high], NaN included."""
    allowed = (values >= 0) & (values <= high)  # false for NaN
    index = _first_false(allowed)
    received = tf.concat([values, [0.0]], 0)[index]
    return graph_pictures.checked(
        values, tf.reduce_all(allowed), f"{name}[", index, f"] must be 0 to {high:g}. Received: ", received
    )


def positive(values: tf.Tensor, name: str) -> tf.Tensor:
    """int32 [B]; fails where one is below 1."""
    index = _first_false(values >= 1)
    received = tf.concat([values, [0]], 0)[index]
    return graph_pictures.checked(
        values, tf.reduce_all(values >= 1), f"{name}[", index, "] must be at least 1. Received: ", received
    )


def finite(values: tf.Tensor, name: str) -> tf.Tensor:
    """[B, ...]; fails where an element has a value that is not finite."""
    allowed = tf.reduce_all(tf.math.is_finite(values), axis=range(1, values.shape.rank))
    message = (f"{name}[", _first_false(allowed), "]: the values must be finite")
    return graph_pictures.checked(values, tf.reduce_all(allowed), *message)


def at_least(image: tf.Tensor, side_px: int, name: str, index: tf.Tensor) -> tf.Tensor:
    """The image [1, H, W, 3]; fails where its shorter side is below side_px."""
    size = tf.shape(image)[1:3]
    rule = f"]: the shorter side must be at least {side_px} px. Received: "
    is_allowed = tf.reduce_min(size) >= side_px
    return graph_pictures.checked(image, is_allowed, f"{name}[", index, rule, size[1], " x ", size[0], " px")


def at_most(pixels: tf.Tensor, side_px: int, name: str) -> tf.Tensor:
    """The pictures [B, H, W, 3]; fails where they have no pixels or their longer side is above side_px."""
    size = tf.shape(pixels)[1:3]
    rule = f"{name}: the sides must be 1 to {side_px} px. Received: "
    is_allowed = (tf.reduce_max(size) <= side_px) & (tf.reduce_min(size) > 0)
    return graph_pictures.checked(pixels, is_allowed, rule, size[1], " x ", size[0], " px")


def _first_false(allowed: tf.Tensor) -> tf.Tensor:
    """The index of the first that is false in bool [B], or B."""
    return tf.argmin(tf.cast(tf.concat([allowed, [False]], 0), tf.int32))
