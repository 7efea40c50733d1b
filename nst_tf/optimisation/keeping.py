"""What is kept of the content: an objective that sees the image through it.

The optimisers move a free image v, and the network sees x = k c + (1 - k) v, with the content c and the share k of it
that is kept. So a pixel with k = 1 is the content's exactly, soft edges blend, and what is painted beside them is
painted to fit.
"""

import tensorflow as tf

from nst_tf.losses import objective

_KEPT = "kept"  # among the targets, where something is kept


def with_kept(targets: objective.Targets, content: tf.Tensor, share: tf.Tensor) -> objective.Targets:
    """The targets with what is kept.

    Args:
        targets: of an objective.
        content: c, [1, H, W, 3].
        share: k, [1, H, W, 1] in [0, 1].
    """
    return targets | {_KEPT: {"content": content, "share": share}}


def seen(image: tf.Tensor, targets: objective.Targets) -> tf.Tensor:
    """The image x that the network sees of a free one; the same where nothing is kept."""
    if _KEPT not in targets:
        return image
    share = targets[_KEPT]["share"]
    return share * targets[_KEPT]["content"] + (1 - share) * image


def through(terms_and_gradient: objective.TermsAndGradient) -> objective.TermsAndGradient:
    """An objective of the free image: the terms of the image that is seen, and the gradient with respect to v."""

    def of_free(
        image: tf.Tensor, targets: objective.Targets, loss_scale: tf.Tensor
    ) -> tuple[objective.Terms, tf.Tensor]:
        terms, gradient = terms_and_gradient(seen(image, targets), targets, loss_scale)
        return terms, gradient * (1 - targets[_KEPT]["share"]) if _KEPT in targets else gradient

    return of_free
