"""What a summand of the objective is: a name, a weight, targets, a value, and how it adds up over tiles.

A new loss is a class of one of the two kinds here, in a file of its own in this wing, and an entry in
`objective.terms_of`. The loop, results, checkpoints, logs and tables take its name from the objective. Steps are traced
without AutoGraph: what depends on a tensor's values is a `tf.cond`, `tf.where` or `loops.in_order`, never an `if`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import tensorflow as tf

Weight: TypeAlias = tf.Tensor | float
Measured: TypeAlias = Any  # a tensor, or a tuple of tensors


class Terms(NamedTuple):
    """The objective of each image of a batch, and its parts: everything [B], float32."""

    total: tf.Tensor  # the sum of the values
    values: dict[str, tf.Tensor]  # by the terms' names, weighted
    parts: dict[str, tf.Tensor]  # by name/layer, unweighted
    gradient_norm: tf.Tensor | None = None  # |d total / d image|, which the optimisers add

    def named(self) -> dict[str, tf.Tensor]:
        """Every number under the name that reports, results and checkpoints use."""
        norm = {} if self.gradient_norm is None else {"gradient_norm": self.gradient_norm}
        return {"total": self.total, **self.values, **norm, **self.parts}

    @classmethod
    def of_named(cls, numbers: dict[str, tf.Tensor]) -> "Terms":
        """The inverse of `named`."""
        plain = {name: value for name, value in numbers.items() if "/" not in name}
        total, norm = plain.pop("total"), plain.pop("gradient_norm", None)
        return cls(total, plain, {name: value for name, value in numbers.items() if "/" in name}, norm)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTerm:
    """A loss on the features of some layers.

    A layer's loss is computed from a measurement of its features F, [B, H, W, N] in the image's dtype, and a target.
    The measurement of a picture is the sum of those of its tiles, up to a factor: `partial`, then `averaged`.

    Attributes:
        name: what every report calls it.
        weight: of the sum over its layers.
        layers: in the paper's names.
        compares_with: `content` where the target is the content picture's features, position by position; `style`
            where it is what `measure` gives of the style pictures, blended by their shares.
        why_whole: why a picture cannot be measured in tiles; empty where it can.
    """

    name: ClassVar[str]
    compares_with: ClassVar[Literal["content", "style"]]
    why_whole: ClassVar[str] = ""

    weight: float
    layers: tuple[str, ...]

    def partial(self, features: tf.Tensor, target: tf.Tensor | None) -> tf.Tensor:
        """What adds up over the tiles of a picture, of one layer; the target's positions are those of the features."""
        raise NotImplementedError

    def averaged(self, total: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """The measurement of a layer from the sum over all tiles, and M, the number of positions."""
        return total

    def loss(self, measured: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """The unweighted loss of one layer, [B]."""
        raise NotImplementedError

    def measure(self, features: tf.Tensor, target: tf.Tensor | None = None) -> tf.Tensor:
        """The measurement of a layer of a whole picture."""
        shape = tf.shape(features)
        return self.averaged(self.partial(features, target), tf.cast(shape[1] * shape[2], features.dtype))

    def value(self, losses: list[tf.Tensor], weight: Weight) -> tf.Tensor:
        """The weighted term from the losses of its layers, [B]."""
        return weight * (tf.add_n(losses) / len(losses))

    def views(self, style: tf.Tensor) -> Sequence[tf.Tensor]:
        """Further pictures, each [1, H', W', 3], that stand for a style picture [1, H, W, 3] beside itself."""
        return ()

    def joined(self, measured: Sequence[Measured]) -> Measured:
        """One layer's measurement of a style picture and its views, where there are views."""
        raise NotImplementedError

    def blended(self, measured: Sequence[Measured], shares: Sequence[float]) -> Measured:
        """One layer's target from the measurements of the style pictures: their mean, weighted by the shares."""
        return tf.add_n([share * each for share, each in zip(shares, measured, strict=True)])

    def zeros(self, target: Measured, zero: tf.Tensor) -> tf.Tensor:
        """What a sum over no tile is; zero is [B]."""
        return zero

    def part(self, target: Any, cut: Callable[[tf.Tensor], tf.Tensor]) -> Any:
        """The target for some positions of a picture, which `cut` takes out of what has positions."""
        return cut(target) if self.compares_with == "content" else target

    def gradient(self, features: tf.Tensor, target: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """The gradient of one layer's `partial` with respect to its features, times the slope, which has its shape."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features)
            part = self.partial(features, target)
        return tape.gradient(part, features, slope)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StatisticTerm(FeatureTerm):
    """A loss on a statistic of the style's layers, each layer with a weight of its own.

    Attributes:
        layer_weights: w_l of eq. 5 of Gatys et al.; empty for 1 / number of layers.
    """

    compares_with: ClassVar[Literal["content", "style"]] = "style"

    layer_weights: tuple[float, ...]

    def weighted(self, features: tf.Tensor, guides: tf.Tensor) -> tf.Tensor:
        """What `partial` adds up of one picture [1, h, w, N], each position by guides [R, h, w, 1]: R in B's place."""
        raise NotImplementedError

    def value(self, losses: list[tf.Tensor], weight: Weight) -> tf.Tensor:
        """The weight times the sum of w_l E_l."""
        shares = self.layer_weights or (1 / len(losses),) * len(losses)
        return weight * tf.add_n([share * loss for share, loss in zip(shares, losses, strict=True)])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PixelTerm:
    """A loss on the pixels themselves: a sum over neighbourhoods, each within `reach_rows` + 1 rows.

    Attributes:
        name: what every report calls it.
        weight: of the whole.
        reach_rows: how many rows beyond its first a neighbourhood has, so that strips of a picture add up.
        row_step: from the first row of a neighbourhood to that of the next; strips start where one does.
    """

    name: ClassVar[str]
    reach_rows: ClassVar[int] = 0
    row_step: ClassVar[int] = 1

    weight: float

    def target(self, content: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the pixels are compared with, each [1, H, W, ...], or [1, H, 1, ...] by row; a strip gets its rows."""
        return {}

    def value(self, image: tf.Tensor, target: dict[str, tf.Tensor], size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted term, [B].

        Args:
            image: [B, H, W, 3], or some rows of it.
            target: the same rows of what `target` gave.
            size: height and width of the whole image, where the image is a part of it.
        """
        raise NotImplementedError


Term: TypeAlias = FeatureTerm | PixelTerm


def flat(features: tf.Tensor) -> tf.Tensor:
    """Features [B, H, W, N] as [B, M, N], M the number of positions."""
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]])


def at_least(image: tf.Tensor, height_px: int, width_px: int) -> tuple[tf.Tensor, tf.Tensor]:
    """An image [B, H, W, C] with zeros below and to the right where it is smaller, and 1 where it was not, else 0."""
    missing = tf.maximum([height_px, width_px] - tf.shape(image)[1:3], 0)
    padded = tf.pad(image, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
    return padded, tf.cast(tf.reduce_all(missing == 0), image.dtype)
