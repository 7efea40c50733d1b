"""A frame: lines and bands along the edges of a picture, which the network's zero padding leaves."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from nst_tf.losses import terms

STEPS = 8  # from an edge inwards, each from a row of pixels to the next
DEPTH_PX = STEPS + 1
REACH_PX = 16  # along an edge, over which colours are averaged
TOLERATED = 12 / 255  # by which strokes along an edge may change from row to row more than the content does
_LEAST = 1e-8  # added to a squared difference, since a root has no slope at 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FrameTerm(terms.PixelTerm):
    """How much more the rows along an edge differ from each other than those of the content, squared.

    At each edge, the colours of the outermost `DEPTH_PX` rows, or columns, are averaged over every `REACH_PX` along it.
    What counts is the square of the excess: of the distance of two neighbours, over that of the content's at the same
    place and `TOLERATED`. Squares are added up over the `STEPS`, then averaged along the edge and over the four edges,
    in squared units of the 0 to 1 scale. An edge too short or too near the opposite one counts 0. The edges are those
    of the picture as the network sees it, padded to whole strides.

    Source: not in the paper.  What is allowed depends on the content alone. A comparison with the picture's own rows
    further inside was tried, and lowered by lines that it drew there (benchmarks/RESULTS.md, "Lines along the edges").
    """

    name: ClassVar[str] = "frame"
    reach_rows: ClassVar[int] = max(DEPTH_PX, REACH_PX) - 1

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """The content, and which rows are the first and the last, by which a strip knows whether it has them."""
        row, rows = tf.range(tf.shape(content)[1]), tf.shape(content)[1]
        ends = tf.stack([tf.equal(row, 0), tf.equal(row, rows - 1)], -1)
        return {"content": content, "ends": tf.cast(ends, content.dtype)[tf.newaxis, :, tf.newaxis]}  # [1, H, 1, 2]

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        height, width = tf.unstack(tf.shape(image)[1:3] if size is None else size)
        first, last = target["ends"][0, 0, 0, 0], target["ends"][0, -1, 0, 1]
        content = target["content"]
        upper, lower = _means(image, content, 1, width)
        left, right = _means(image, content, 2, height)
        return self.weight * (first * upper + last * lower + left + right) / 4


def _means(image: tf.Tensor, content: tf.Tensor, axis: int, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The means of the two edges across an axis, [B] each.

    Args:
        image: [B, H, W, 3].
        content: the same, or [1, H, W, 3].
        axis: 1 for the upper and the lower edge, 2 for the left and the right one.
        length: of the whole edges, of which the image may have a part.
    """
    excess = tf.nn.relu(_steps(image, axis) - _steps(content, axis) - TOLERATED)
    total = tf.reduce_sum(tf.square(excess), axis=[2, 3]) / tf.cast(tf.maximum(length - (REACH_PX - 1), 1), image.dtype)
    first, second = tf.unstack(total)
    return first, second


def _steps(image: tf.Tensor, axis: int) -> tf.Tensor:
    """The distances of neighbouring rows, or columns, from both edges inwards: [2, B, STEPS, L - 15].

    They are 0 where an edge is too short or too near the other.
    """
    if axis == 2:
        first, last = (tf.transpose(each, [0, 2, 1, 3]) for each in (image[:, :, :DEPTH_PX], image[:, :, -DEPTH_PX:]))
    else:
        first, last = image[:, :DEPTH_PX], image[:, -DEPTH_PX:]
    edges = tf.concat([first, tf.reverse(last, [1])], 0)  # [2 B, h, L, 3]
    padded, enough = terms.at_least(edges, DEPTH_PX, REACH_PX)
    rows = tf.nn.avg_pool2d(padded, [1, REACH_PX], 1, "VALID")
    steps = tf.sqrt(tf.reduce_sum(tf.square(rows[:, 1:] - rows[:, :-1]), -1) + _LEAST)
    return tf.reshape(enough * steps, [2, tf.shape(image)[0], STEPS, -1])
