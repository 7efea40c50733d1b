"""The temporal term of films: a frame should look like the frames before it, moved along the optical flow."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf.losses import terms


class Reference(NamedTuple):
    """An earlier frame that a frame is compared with."""

    picture: np.ndarray  # float32 [H, W, 3]: as it was stylised, moved to the frame's place
    weights: np.ndarray  # float32 [H, W] in [0, 1]: where it counts


class References:
    """What the frame in work is compared with; changed from frame to frame, while the traced step stays."""

    def __init__(self) -> None:
        self.current: Sequence[Reference] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TemporalTerm(terms.PixelTerm):
    """The mean squared difference to earlier frames, where these can be relied on.

    Source: Ruder, Dosovitskiy & Brox 2016, eq. 7 and 9.  Deviation: pixels are in [0, 1], and so is the weight's scale.

    Attributes:
        references: of the frame in work; those that are missing do not count.
        most: how many there may be.
    """

    name: ClassVar[str] = "temporal"

    references: References
    most: int

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """The earlier frames and their weights, mirrored at the right and bottom edges to the content's sides.

        Args:
            content: [1, H, W, 3], the frame with its padding.

        Raises:
            ValueError: a reference is larger than the content image.
        """
        targets = {}
        height, width = content.shape[1:3]
        for index in range(self.most):
            reference = self.references.current[index] if index < len(self.references.current) else None
            if reference is None:
                targets[f"picture {index}"] = tf.zeros([1, height, width, 3], content.dtype)
                targets[f"weights {index}"] = tf.zeros([1, height, width, 1], content.dtype)
                continue
            margins = [(0, height - reference.picture.shape[0]), (0, width - reference.picture.shape[1]), (0, 0)]
            for name, values in (("picture", reference.picture), ("weights", reference.weights[..., np.newaxis])):
                padded = np.pad(values, margins, "symmetric")[np.newaxis]
                targets[f"{name} {index}"] = tf.constant(padded, content.dtype)
        return targets

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B]."""
        height, width = tf.unstack(tf.cast(tf.shape(image)[1:3] if size is None else size, image.dtype))
        total = tf.zeros_like(image[:, 0, 0, 0])
        for index in range(self.most):
            squares = tf.square(image - target[f"picture {index}"])
            total += tf.reduce_sum(target[f"weights {index}"] * squares, axis=[1, 2, 3])
        return self.weight * total / (height * width * tf.cast(tf.shape(image)[3], image.dtype))
