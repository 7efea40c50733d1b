"""Several styles of one request in a graph, and the masks that say where each goes, as `pictures.masks` has them."""

from typing import NamedTuple

import tensorflow as tf

from nst_tf.export import graph_inputs, graph_pictures
from nst_tf.pictures import inputs as picture_inputs
from nst_tf.pictures import masks

SIGNATURES = ("stylize_blend", "stylize_regions")  # where a request brings several styles
STYLE, KEEP = "style_mask_bytes", "keep_mask_bytes"  # inputs: [B, K] and [B]; an empty text is no mask

_WHITE = 1 - 1e-4  # nearly: scaling rounds


class Regions(NamedTuple):
    """The masks of one element of a request, at the content's size."""

    planes: tf.Tensor  # [1, H, W, K] in [0, 1], where each style goes
    keep: tf.Tensor  # [1, H, W, 1] in [0, 1], what stays the content's

    @property
    def shares(self) -> tf.Tensor:
        """How much of each style goes where, [1, H, W, K], at most 1 in all; as `masks.shares`."""
        return self.planes / tf.maximum(tf.reduce_sum(self.planes, -1, keepdims=True), 1.0)

    @property
    def kept(self) -> tf.Tensor:
        """What stays the content's, with what no style's mask covers: [1, H, W, 1]; as `masks.kept`."""
        covered = tf.minimum(tf.reduce_sum(self.planes, -1, keepdims=True), 1.0)
        return 1.0 - (1.0 - self.keep) * covered


def specs(*, of_styles: bool) -> dict[str, tf.TensorSpec]:
    """The inputs of a signature with masks.

    Args:
        of_styles: whether requests bring several styles; a style that is baked in goes everywhere.
    """
    return (per_style({STYLE: tf.string}) if of_styles else {}) | graph_inputs.specs({KEEP: tf.string})


def per_style(inputs: dict[str, tf.DType]) -> dict[str, tf.TensorSpec]:
    """Inputs with a value for each of the K styles of each element, [B, K]."""
    return {name: tf.TensorSpec([None, None], dtype, name) for name, dtype in inputs.items()}


def one_count(inputs: graph_inputs.Tensors, *names: str) -> graph_inputs.Tensors:
    """The inputs; fails where those of these names are not for as many styles, or for none."""
    counts = tf.stack([tf.shape(inputs[name])[1] for name in names])
    rule = f"{', '.join(names)} must have one value for each of one or more styles. Received: "
    received = tf.strings.reduce_join(tf.strings.as_string(counts), separator=", ")
    is_allowed = tf.reduce_all(counts == counts[0]) & (counts[0] > 0)
    return inputs | {name: graph_pictures.checked(inputs[name], is_allowed, rule, received) for name in names}


def shares_of(blend: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """The shares of the styles of one element, float32 [K], of the sum 1; fails for some below 0, or a sum of 0."""
    total = tf.reduce_sum(blend)
    is_allowed = tf.reduce_all(blend >= 0) & (total > 0) & tf.math.is_finite(total)  # false for NaN
    rule = "]: the shares must be at least 0 and add up to more than 0. Received the sum "
    return graph_pictures.checked(blend / total, is_allowed, "style_blend[", index, rule, total)


def read(element: graph_inputs.Tensors, size: tf.Tensor, max_pixels: int) -> Regions:
    """The masks of one element.

    Args:
        element: STYLE [K], or none of it for one style that goes everywhere; KEEP and index, scalars.
        size: int32 [2], of the content at its working size.
        max_pixels: of a mask before it is scaled.
    """
    keep = _plane(element[KEEP], size, KEEP, element["index"], max_pixels, 0.0)
    rule = "]: the mask must leave something to stylise. Received: one that is white everywhere"
    is_allowed = tf.reduce_min(keep) < _WHITE
    keep = graph_pictures.checked(keep, is_allowed, f"{KEEP}[", element["index"], rule)
    if STYLE not in element:
        return Regions(tf.ones_like(keep), keep)

    def plane(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        data, number = one
        return _plane(data, size, STYLE, place(element["index"], number), max_pixels, 1.0)[0]

    numbers = tf.range(tf.shape(element[STYLE])[0])
    spec = tf.TensorSpec([None, None, 1], tf.float32)
    planes = tf.map_fn(plane, (element[STYLE], numbers), fn_output_signature=spec, parallel_iterations=1)
    return Regions(tf.transpose(planes, [3, 1, 2, 0]), keep)


def with_kept(image: tf.Tensor, content: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """An image with what is kept of the content put back, as `controls.with_kept`."""
    return share * content + (1.0 - share) * image


def place(index: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """The place of a style in a request as a message names it, such as `0, 1`."""
    return tf.strings.join([tf.strings.as_string(index), tf.strings.as_string(number)], ", ")


def _plane(data: tf.Tensor, size: tf.Tensor, name: str, index: tf.Tensor, max_pixels: int, without: float) -> tf.Tensor:
    """One mask [1, H, W, 1]; the number `without` everywhere for an empty text."""

    def decoded() -> tf.Tensor:
        picture = graph_pictures.decode(data, name, index, max_pixels)
        own = tf.cast(tf.shape(picture)[1:3], tf.float32)
        sides = tf.cast(size, tf.float32)
        expected_px = sides[1] / sides[0] * own[0]
        least_px = tf.maximum(1.0, picture_inputs.ASPECT_TOLERANCE * expected_px)
        rule = "]: a mask must have the content's aspect ratio. Received: "
        received = (tf.cast(own[1], tf.int32), " x ", tf.cast(own[0], tf.int32), " px")
        is_allowed = tf.abs(own[1] - expected_px) <= least_px
        picture = graph_pictures.checked(picture, is_allowed, f"{name}[", index, rule, *received)
        plane = tf.reduce_mean(graph_pictures.resize(picture, size), -1, keepdims=True)
        brightest = tf.reduce_max(plane)
        rule = "]: a mask must have white pixels. Received: none brighter than "
        return graph_pictures.checked(plane, brightest >= masks.LEAST_WHITE, f"{name}[", index, rule, brightest)

    shape = tf.concat([[1], size, [1]], 0)
    plane = tf.cond(tf.strings.length(data) > 0, decoded, lambda: tf.fill(shape, without))
    return tf.ensure_shape(plane, [1, None, None, 1])
