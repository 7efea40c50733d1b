"""Style as mean and covariance of a layer's features, compared by the Wasserstein-2 distance between normal laws."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import tensorflow as tf

from nst_tf.losses import gatys, terms

# Share of the style's mean variance that is added to the variances of both pictures. A layer has fewer positions than
# filters in small pictures, so that covariances are singular, and float32 leaves rounding where they have zeros.
RIDGE = 1e-3
RIDGE_FLOOR = 1e-6  # added to it, for a style that is one flat colour


class Normal(NamedTuple):
    """The normal law of a style's features in one layer."""

    mean: tf.Tensor  # [1, N]
    root: tf.Tensor  # float64 [1, N, N], the square root of the covariance with its ridge
    trace: tf.Tensor  # float64 [1], of the covariance with its ridge
    ridge: tf.Tensor  # float64 [1]


def second_moments(features: tf.Tensor) -> tf.Tensor:
    """Second raw moments and means of the features.

    Args:
        features: [B, H, W, N].

    Returns:
        [B, N, N + 1]: the mean of f f^T, which is the Gram matrix, and in the last column that of f.
    """
    mean = tf.reduce_mean(features, [1, 2])
    return tf.concat([gatys.gram_matrix(features), mean[:, :, tf.newaxis]], -1)


def normal_of(moments: tf.Tensor) -> Normal:
    """The normal law with given `second_moments` [1, N, N + 1]."""
    mean, covariance = _mean_and_covariance(moments)
    variance = tf.linalg.trace(covariance) / tf.cast(tf.shape(covariance)[-1], tf.float64)
    ridge = RIDGE * tf.maximum(variance, 0) + RIDGE_FLOOR
    values, vectors = tf.linalg.eigh(_with_ridge(covariance, ridge))
    roots = tf.sqrt(tf.maximum(values, ridge[:, tf.newaxis]))[:, tf.newaxis]
    root = tf.matmul(vectors * roots, vectors, transpose_b=True)
    return Normal(mean, root, tf.reduce_sum(tf.square(roots), [1, 2]), ridge)


def wasserstein_loss(moments: tf.Tensor, target: Normal) -> tf.Tensor:
    """Squared Wasserstein-2 distance to a normal law, for each filter.

    Args:
        moments: `second_moments` of the generated image, [B, N, N + 1].
        target: the style's law.

    Returns:
        [B]: 1/N (|mu - mu_t|^2 + tr(C + C_t - 2 (C_t^1/2 C C_t^1/2)^1/2)), in the moments' dtype.

    Source: Olkin & Pukelsheim 1982; as a style loss crowsonkb/style-transfer-pytorch e7e2c71.  Deviation: the ridge on
    both covariances is a share of the style's variance where that code adds 1e-4; the root is exact, by eigenvalues in
    float64, where that code takes 12 steps of Newton and Schulz in float32.

    The gradient of tr M^1/2 with respect to C is written out, C_t^1/2 M^-1/2 C_t^1/2 / 2 with M = C_t^1/2 C C_t^1/2:
    that of the eigenvectors, which is infinite where eigenvalues meet, cancels out. First derivatives only.
    """
    mean, covariance = _mean_and_covariance(moments)
    covariance = _with_ridge(covariance, target.ridge)
    fixed = tf.stop_gradient(covariance)
    values, vectors = tf.linalg.eigh(tf.matmul(tf.matmul(target.root, fixed), target.root))
    # Both covariances are at least the ridge, so no eigenvalue is below its square but by rounding.
    roots = tf.sqrt(tf.maximum(values, tf.square(target.ridge / 2)[:, tf.newaxis]))  # [B, N]
    turned = tf.cast(tf.matmul(target.root, vectors), moments.dtype)
    slope = tf.matmul(turned / tf.cast(2 * roots[:, tf.newaxis], moments.dtype), turned, transpose_b=True)
    change = tf.cast(covariance - fixed, moments.dtype)  # zero, with the covariance's gradient
    trace_of_root = tf.reduce_sum(roots, -1) + tf.cast(tf.reduce_sum(slope * change, [1, 2]), tf.float64)
    spread = tf.linalg.trace(covariance) + target.trace - 2 * trace_of_root
    filters = tf.cast(tf.shape(mean)[-1], moments.dtype)
    return tf.reduce_mean(tf.square(mean - target.mean), -1) + tf.cast(spread, moments.dtype) / filters


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class WassersteinTerm(terms.StatisticTerm):
    """The Wasserstein-2 distance between the normal laws of both pictures' features.

    Several styles blend as the moments of their mixture.
    """

    name: ClassVar[str] = "w2"

    def partial(self, features: tf.Tensor, target: Normal | None) -> tf.Tensor:
        """Sums of f f^T and of f, [B, N, N + 1]."""
        flat = terms.flat(features)
        return tf.matmul(flat, tf.concat([flat, tf.ones_like(flat[:, :, :1])], -1), transpose_a=True)

    def weighted(self, features: tf.Tensor, guides: tf.Tensor) -> tf.Tensor:
        """Sums of T f f^T and of T f, [R, N, N + 1]."""
        flat = terms.flat(features)
        with_one = tf.concat([flat, tf.ones_like(flat[:, :, :1])], -1)
        return tf.matmul(terms.flat(features * guides), with_one, transpose_a=True)

    def averaged(self, total: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """The means of f f^T and of f."""
        return total / positions

    def measure(self, features: tf.Tensor, target: Normal | None = None) -> tf.Tensor:
        """The means of a whole picture, with the gradient in one product."""
        return second_moments(features)

    def blended(self, measured: Sequence[tf.Tensor], shares: Sequence[float]) -> Normal:
        """The normal law of the mixture; its root is computed once for a run."""
        return normal_of(super().blended(measured, shares))

    def loss(self, measured: tf.Tensor, target: Normal) -> tf.Tensor:
        """The distance for each filter."""
        return wasserstein_loss(measured, target)

    def zeros(self, target: Normal, zero: tf.Tensor) -> tf.Tensor:
        """[B, N, N + 1]."""
        filters = tf.shape(target.mean)[-1]
        return tf.zeros([1, filters, filters + 1], zero.dtype) * zero[:, tf.newaxis, tf.newaxis]

    def gradient(self, features: tf.Tensor, target: Normal, slope: tf.Tensor) -> tf.Tensor:
        """F (D + D^T) + d for the slopes D and d; written out as for the Gram matrix."""
        matrix, vector = slope[:, :, :-1], slope[:, tf.newaxis, :, -1]
        product = tf.matmul(terms.flat(features), matrix + tf.linalg.matrix_transpose(matrix)) + vector
        return tf.reshape(product, tf.concat([tf.shape(product)[:1], tf.shape(features)[1:]], 0))


def _mean_and_covariance(moments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, N] in the moments' dtype, float64 [B, N, N]."""
    precise = tf.cast(moments, tf.float64)
    square, mean = precise[:, :, :-1], precise[:, :, -1:]
    return moments[:, :, -1], square - mean * tf.linalg.matrix_transpose(mean)


def _with_ridge(covariance: tf.Tensor, ridge: tf.Tensor) -> tf.Tensor:
    return tf.linalg.set_diag(covariance, tf.linalg.diag_part(covariance) + ridge[:, tf.newaxis])
