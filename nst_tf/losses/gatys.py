"""The paper's losses, one pure function for each equation.

Symbols are those of Gatys, Ecker and Bethge (2015, 2016): F and P are the feature maps of the generated and of the
content image in one layer, N the number of filters, M the number of positions (height times width), G and A the Gram
matrices of the generated and of the style image. Features come as [B, H, W, N], so the paper's F_ij is
`features[b, y, x, i]` with j = (y, x). The losses contain no mask: the zero branch of eq. 2 and eq. 6 is that of the
ReLU in the network.
"""

import dataclasses
from typing import ClassVar, Literal

import tensorflow as tf

from nst_tf.losses import terms


def content_loss(f: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Squared error between two feature maps.

    Args:
        f: features of the generated image, [B, H, W, N].
        p: features of the content image, the same shape.

    Returns:
        [B], half the sum of the squared differences.

    Source: eq. 1.
    """
    return tf.reduce_sum(tf.square(f - p), axis=[1, 2, 3]) / 2


def content_loss_gradient(f: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Closed form of the gradient of `content_loss` with respect to the layer's pre-activation.

    The optimiser differentiates automatically; this is the paper's form of it, which the tests hold against it.

    Args:
        f: features of the generated image after the ReLU, [B, H, W, N].
        p: features of the content image, the same shape.

    Returns:
        [B, H, W, N]: F - P where F > 0, else 0.

    Source: eq. 2.  Deviation: the paper writes F < 0 for the zero branch; after a ReLU that is F = 0.
    """
    return tf.where(f > 0, f - p, 0)


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Correlations between the filters of a layer, averaged over positions.

    Args:
        features: [B, H, W, N].

    Returns:
        [B, N, N] in the features' dtype: F F^T / M.

    Source: eq. 3.  Deviation: divided by M, so that images of different sizes compare.

    The gradient is the exact one, F (D + D^T) / M for an upstream gradient D, in one product of matrices where
    differentiating both factors takes two: the product is differentiated in one factor, that counts twice, and the mean
    of G and its transpose makes D symmetric, for which both factors' parts are equal. First derivatives only.
    """
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]])  # [B, M, N]
    positions = tf.cast(shape[1] * shape[2], features.dtype)
    product = tf.matmul(flat, tf.stop_gradient(flat), transpose_a=True)  # [B, N, N]
    g = (2 * product - tf.stop_gradient(product)) / positions  # the product, with twice its gradient
    return (g + tf.linalg.matrix_transpose(g)) / 2


def style_layer_loss(g: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    """A layer's contribution to the style loss.

    Args:
        g: Gram matrix of the generated image, divided by its M, [B, N, N].
        a: Gram matrix of the style image, divided by its own M, the same shape or [1, N, N].

    Returns:
        [B]: E_l = 1/(4 N^2) sum (G/M - A/M)^2, which is eq. 4 when both images have M positions.

    Source: eq. 4.  Deviation: M is divided out of each Gram matrix on its own, so that sizes may differ.
    """
    return tf.reduce_mean(tf.square(g - a), axis=[1, 2]) / 4


def style_layer_loss_gradient(f: tf.Tensor, g: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    """Closed form of the gradient of `style_layer_loss` with respect to the layer's pre-activation.

    Args:
        f: features of the generated image after the ReLU, [B, H, W, N].
        g: their Gram matrix divided by M, [B, N, N].
        a: the style image's Gram matrix divided by its own M, [B, N, N].

    Returns:
        [B, H, W, N]: 1/(N^2 M^2) (F^T (G - A))^T where F > 0, else 0.

    Source: eq. 6, with G and A divided by M.
    """
    shape = tf.shape(f)
    filters = tf.cast(shape[3], f.dtype)
    positions = tf.cast(shape[1] * shape[2], f.dtype)
    gradient = tf.einsum("bhwi,bij->bhwj", f, g - a) / (filters**2 * positions)
    return tf.where(f > 0, gradient, 0)


def weighted_sum(terms: list[tf.Tensor], weights: tuple[float, ...]) -> tf.Tensor:
    """Sum of w_l E_l over the layers.

    Args:
        terms: one tensor for each layer, all of one shape.
        weights: w_l, one for each.

    Source: eq. 5; with (content, style) and (alpha, beta) it is eq. 7.
    """
    return tf.add_n([weight * term for weight, term in zip(weights, terms, strict=True)])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ContentTerm(terms.FeatureTerm):
    """alpha L_content: eq. 1, the mean over the content layers where there are several.

    Attributes:
        reduction: `equations` for eq. 1 to the letter, `mean` for the mean of (F - P)^2.
    """

    name: ClassVar[str] = "content"
    compares_with: ClassVar[Literal["content", "style"]] = "content"

    reduction: str

    def partial(self, features: tf.Tensor, target: tf.Tensor | None) -> tf.Tensor:
        """Eq. 1, [B]."""
        return content_loss(features, target)

    def loss(self, measured: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Eq. 1, or the mean of the squared differences."""
        if self.reduction == "equations":
            return measured
        return measured * 2 / tf.cast(tf.size(target[0], tf.int64), measured.dtype)  # mean (F - P)^2

    def value(self, losses: list[tf.Tensor], weight: terms.Weight) -> tf.Tensor:
        """Alpha times the mean over the layers."""
        return weight * weighted_sum(losses, (1 / len(losses),) * len(losses))

    def gradient(self, features: tf.Tensor, target: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """F - P; written out, no copy of the features is kept, where a tape would need two."""
        return slope[:, tf.newaxis, tf.newaxis, tf.newaxis] * (features - target)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StyleTerm(terms.StatisticTerm):
    """beta L_style: eq. 5 with eq. 4 and the Gram matrices of eq. 3.

    Attributes:
        reduction: `equations` for eq. 4 to the letter, `mean` for the mean of (G/M - A/M)^2.
    """

    name: ClassVar[str] = "style"

    reduction: str

    def partial(self, features: tf.Tensor, target: tf.Tensor | None) -> tf.Tensor:
        """F F^T, [B, N, N]."""
        flat = terms.flat(features)
        return tf.matmul(flat, flat, transpose_a=True)

    def weighted(self, features: tf.Tensor, guides: tf.Tensor) -> tf.Tensor:
        """F^T (T F), [R, N, N]."""
        return tf.matmul(terms.flat(features * guides), terms.flat(features), transpose_a=True)

    def averaged(self, total: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """G/M."""
        return total / positions

    def measure(self, features: tf.Tensor, target: tf.Tensor | None = None) -> tf.Tensor:
        """G/M of a whole picture, with the gradient in one product."""
        return gram_matrix(features)

    def loss(self, measured: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """E_l, or the mean of the squared differences, which is four times as large."""
        loss = style_layer_loss(measured, target)
        return loss if self.reduction == "equations" else loss * 4

    def zeros(self, target: tf.Tensor, zero: tf.Tensor) -> tf.Tensor:
        """[B, N, N]."""
        return tf.zeros_like(target) * zero[:, tf.newaxis, tf.newaxis]

    def gradient(self, features: tf.Tensor, target: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """F (D + D^T) for the slope D; written out, it needs one product and no copy of the features is kept."""
        product = tf.matmul(terms.flat(features), slope + tf.linalg.matrix_transpose(slope))
        return tf.reshape(product, tf.concat([tf.shape(product)[:1], tf.shape(features)[1:]], 0))
