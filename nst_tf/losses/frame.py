"""A frame: outermost rows and columns unlike those next to them, which the network's zero padding leaves."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from nst_tf.losses import terms

WIDTH_PX = 3  # of the frame, and of the strips inside it
REACH_PX = 16  # along an edge, over which colours are averaged
CALM_STRIPS = 6  # inside the frame, between which colours differ as they do without one
DEPTH_PX = WIDTH_PX * (CALM_STRIPS + 1)
_LEAST = 1e-8  # added to a squared difference, since a root has no slope at 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FrameTerm(terms.PixelTerm):
    """How much more the outermost strip differs from the next one than those inside from theirs, squared.

    At each edge, strips of `WIDTH_PX` across it are averaged over every `REACH_PX` along it. Of the distances between
    the colours of neighbouring strips, what the first exceeds the largest of the next five by counts: its square, as
    the mean along the edge and over the four edges, in squared units of the 0 to 1 scale. An edge too short or too near
    the opposite one counts 0. The edges are those of the picture as the network sees it, padded to whole strides.

    Source: not in the paper.  `evaluation.artefacts.frame` compares the same strips, but averages the distances along
    an edge before it takes the excess. Here each place has its own, so that strips of rows add up and a frame along
    half an edge counts. Few pictures have none of it: somewhere along an edge the first distance is the largest.
    """

    name: ClassVar[str] = "frame"
    reach_rows: ClassVar[int] = DEPTH_PX - 1  # of the upper and lower edge; those of the sides reach REACH_PX - 1

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """Which rows are the first and the last, by which a strip of the picture knows whether it has them."""
        row, rows = tf.range(tf.shape(content)[1]), tf.shape(content)[1]
        ends = tf.stack([tf.equal(row, 0), tf.equal(row, rows - 1)], -1)
        return {"ends": tf.cast(ends, content.dtype)[tf.newaxis, :, tf.newaxis]}  # [1, H, 1, 2]

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        height, width = tf.unstack(tf.shape(image)[1:3] if size is None else size)
        first, last = target["ends"][0, 0, 0, 0], target["ends"][0, -1, 0, 1]

        turned = tf.transpose(tf.concat([image[:, :, :DEPTH_PX], image[:, :, -DEPTH_PX:][:, :, ::-1]], 0), [0, 2, 1, 3])
        upper, lower = _means(tf.concat([image[:, :DEPTH_PX], image[:, -DEPTH_PX:][:, ::-1]], 0), width)
        left, right = _means(turned, height)
        return self.weight * (first * upper + last * lower + left + right) / 4


def _means(edges: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The means of two opposite edges, [B] each.

    Args:
        edges: [2 B, h, L, 3], both seen from outside, one after the other; an h below DEPTH_PX gives 0.
        length: of the whole edges, of which L may be a part.
    """
    missing = tf.maximum([DEPTH_PX, REACH_PX] - tf.shape(edges)[1:3], 0)
    enough = tf.cast(tf.reduce_all(missing == 0), edges.dtype)
    edges = tf.pad(edges, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
    strips = tf.nn.avg_pool2d(edges, [WIDTH_PX, REACH_PX], [WIDTH_PX, 1], "VALID")  # [2 B, 7, L - 15, 3]
    differences = strips[:, 1:] - strips[:, :-1]
    steps = tf.sqrt(tf.reduce_sum(tf.square(differences), -1) + _LEAST)  # [2 B, 6, L - 15]
    excess = tf.nn.relu(steps[:, 0] - tf.reduce_max(steps[:, 1:], axis=1))
    count = tf.cast(tf.maximum(length - (REACH_PX - 1), 1), edges.dtype)
    first, second = tf.split(enough * tf.reduce_sum(tf.square(excess), axis=1) / count, 2)
    return first, second
