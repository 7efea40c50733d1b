"""Style as the mean and the deviation of each channel: what AdaIN matches, as a term of the objective."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from nst_tf.losses import terms

VARIANCE_FLOOR = 1e-5  # under the root, as in AdaIN: the slope of the root is finite where a channel is constant


def raw_moments(features: tf.Tensor) -> tf.Tensor:
    """Sums of each channel and of its square over the positions.

    Args:
        features: [B, H, W, N].

    Returns:
        [B, 2, N]. Sums, so that those of tiles add up.
    """
    return tf.stack([tf.reduce_sum(features, [1, 2]), tf.reduce_sum(tf.square(features), [1, 2])], 1)


def moments_loss(measured: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Squared distance between means and between deviations.

    Args:
        measured: means of each channel and of its square, [B, 2, N].
        target: the same of the style, [1, 2, N].

    Returns:
        [B]: the mean over the channels of (mu - mu_t)^2 + (sigma - sigma_t)^2.

    Source: Huang & Belongie 2017, eq. 13.  Deviation: squared distances, and a mean over the channels, so that a weight
    means the same in every layer. It is the Wasserstein-2 distance of `wasserstein` for diagonal covariances.
    """
    mean, deviation = _mean_and_deviation(measured)
    target_mean, target_deviation = _mean_and_deviation(target)
    return tf.reduce_mean(tf.square(mean - target_mean) + tf.square(deviation - target_deviation), -1)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MomentsTerm(terms.StatisticTerm):
    """The distance between channel means and deviations. Several styles blend as the moments of their mixture."""

    name: ClassVar[str] = "moments"

    def partial(self, features: tf.Tensor, target: tf.Tensor | None) -> tf.Tensor:
        """Sums of the channels and of their squares, [B, 2, N]."""
        return raw_moments(features)

    def weighted(self, features: tf.Tensor, guides: tf.Tensor) -> tf.Tensor:
        """Sums of T f and of T f^2, [R, 2, N]."""
        guided = guides * features
        return tf.stack([tf.reduce_sum(guided, [1, 2]), tf.reduce_sum(guided * features, [1, 2])], 1)

    def averaged(self, total: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Means of the channels and of their squares."""
        return total / positions

    def loss(self, measured: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """The mean over the channels."""
        return moments_loss(measured, target)

    def zeros(self, target: tf.Tensor, zero: tf.Tensor) -> tf.Tensor:
        """[B, 2, N]."""
        return tf.zeros_like(target) * zero[:, tf.newaxis, tf.newaxis]

    def gradient(self, features: tf.Tensor, target: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """d_1 + 2 F d_2 for the slopes d_1 and d_2; written out, no copy of the features is kept."""
        slope = slope[:, :, tf.newaxis, tf.newaxis]  # [B, 2, 1, 1, N]
        return slope[:, 0] + 2 * features * slope[:, 1]


def _mean_and_deviation(moments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    mean, mean_square = moments[:, 0], moments[:, 1]
    return mean, tf.sqrt(tf.maximum(mean_square - tf.square(mean), 0) + VARIANCE_FLOOR)
