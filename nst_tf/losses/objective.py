"""What a stylised image should be: targets taken from two pictures, and the weighted sum of eq. 7.

There is one definition of content and style in the project, this one. Gram matrices are G/M everywhere.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import gatys, total_variation


class Targets(NamedTuple):
    """What the generated image is compared with, by layer in the paper's names."""

    content: dict[str, tf.Tensor]  # P: features of the content image, [1, H', W', N]
    style: dict[str, tf.Tensor]  # A/M: Gram matrices of the style images, blended, [1, N, N]


class Terms(NamedTuple):
    """The objective of each image of a batch, and its parts: everything [B], float32."""

    total: tf.Tensor  # eq. 7 plus the total variation
    content: tf.Tensor  # alpha L_content
    style: tf.Tensor  # beta L_style
    total_variation: tf.Tensor  # its weight times the total variation
    content_layers: dict[str, tf.Tensor]  # each layer's part, unweighted
    style_layers: dict[str, tf.Tensor]  # E_l, unweighted
    gradient_norm: tf.Tensor | None = None  # |d total / d image|, which the optimisers add


# (image, targets, loss_scale) -> (terms, gradient), as Objective.terms_and_gradient
TermsAndGradient = Callable[[tf.Tensor, Targets, tf.Tensor], tuple[Terms, tf.Tensor]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """Eq. 7 on one network, with one configuration's layers, weights and reduction.

    Attributes:
        extractor: image [B, H, W, 3] in [0, 1] -> {layer: features}, such as `vgg.feature_extractor` builds, or any
            callable of that form; the features are cast to the image's dtype before anything is computed from them.
        config: the layers, weights and reduction.
    """

    extractor: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    config: configs.StyleTransferConfig

    def features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """The tapped features in the image's dtype: a Gram matrix in float16 would overflow."""
        return {layer: tf.cast(f, image.dtype) for layer, f in self.extractor(image).items()}

    def targets(self, content: tf.Tensor, styles: Sequence[tf.Tensor]) -> Targets:
        """Computes the targets, once for a run.

        Args:
            content: [1, H, W, 3] in [0, 1].
            styles: one or more such images, each of any size.

        Returns:
            The targets. Several styles are blended as the weighted mean of their Gram matrices, whose objective has the
            same gradient as the weighted sum of the losses towards each.

        Raises:
            ValueError: style_blend has another length than styles.
        """
        blend = self.config.style_blend or (1.0,) * len(styles)
        shares = tuple(share / sum(blend) for share in blend)
        grams = [self.gram_matrices(style) for style in styles]
        return Targets(
            content=self.content_features(content),
            style={
                layer: gatys.weighted_sum([gram[layer] for gram in grams], shares) for layer in self.config.style_layers
            },
        )

    def content_features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """P of a content image, by layer."""
        features = self.features(image)
        return {layer: features[layer] for layer in self.config.content_layers}

    def gram_matrices(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """A/M of a style image, by layer."""
        features = self.features(image)
        return {layer: gatys.gram_matrix(features[layer]) for layer in self.config.style_layers}

    def terms(self, image: tf.Tensor, targets: Targets, content_weight: tf.Tensor | float | None = None) -> Terms:
        """Evaluates the objective.

        Args:
            image: [B, H, W, 3] in [0, 1], of the content target's size.
            targets: of one content image and one style.
            content_weight: alpha, in place of the configuration's; a scalar tensor lets one graph serve every alpha.

        Source: eq. 7 with eq. 1, 4 and 5. With several content layers their mean is taken.
        """
        features = self.features(image)
        return self.combined(
            {layer: gatys.content_loss(features[layer], p) for layer, p in targets.content.items()},
            {layer: gatys.gram_matrix(features[layer]) for layer in targets.style},
            self.smoothness(image),
            targets,
            content_weight,
        )

    def smoothness(self, image: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
        """The weighted total variation, [B]; size as for `total_variation.total_variation`."""
        if not self.config.total_variation_weight:
            return tf.zeros_like(image[:, 0, 0, 0])
        variation = total_variation.TOTAL_VARIATIONS[self.config.total_variation]
        return self.config.total_variation_weight * variation(image, size)

    def combined(
        self,
        content_losses: dict[str, tf.Tensor],
        grams: dict[str, tf.Tensor],
        smoothness: tf.Tensor,
        targets: Targets,
        content_weight: tf.Tensor | float | None = None,
    ) -> Terms:
        """The objective from what an image's features add up to.

        Args:
            content_losses: eq. 1 by layer, [B] each.
            grams: G/M by layer, [B, N, N] each.
            smoothness: the weighted total variation, [B].
            targets: as in `terms`.
            content_weight: as in `terms`.
        """
        content_layers = {
            layer: self._content_term(loss, targets.content[layer]) for layer, loss in content_losses.items()
        }
        style_layers = {layer: self._style_term(g, targets.style[layer]) for layer, g in grams.items()}
        content = style = tf.zeros_like(smoothness)
        if content_layers:
            equal = (1 / len(content_layers),) * len(content_layers)
            alpha = self.config.content_weight if content_weight is None else content_weight
            content = alpha * gatys.weighted_sum(list(content_layers.values()), equal)
        if style_layers:
            equal = (1 / len(style_layers),) * len(style_layers)
            layer_weights = self.config.style_layer_weights or equal
            style = self.config.style_weight * gatys.weighted_sum(list(style_layers.values()), layer_weights)
        return Terms(content + style + smoothness, content, style, smoothness, content_layers, style_layers)

    def terms_and_gradient(
        self,
        image: tf.Tensor,
        targets: Targets,
        loss_scale: tf.Tensor | float = 1.0,
        content_weight: tf.Tensor | float | None = None,
    ) -> tuple[Terms, tf.Tensor]:
        """Evaluates the objective and its gradient with respect to the image.

        Args:
            image: as in `terms`.
            targets: as in `terms`.
            loss_scale: the gradient is carried back through the network multiplied by this and divided again, so that
                float16 does not flush it to zero.
            content_weight: as in `terms`.

        Returns:
            The terms and d total / d image, [B, H, W, 3].
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            terms = self.terms(image, targets, content_weight)
            scaled_total = terms.total * loss_scale
        return terms, tape.gradient(scaled_total, image) / loss_scale

    def _content_term(self, loss: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
        if self.config.reduction == "equations":
            return loss
        return loss * 2 / tf.cast(tf.size(p[0], tf.int64), loss.dtype)  # mean (F - P)^2

    def _style_term(self, g: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        loss = gatys.style_layer_loss(g, a)
        return loss if self.config.reduction == "equations" else loss * 4  # mean (G/M - A/M)^2


def norm(gradient: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each image's gradient, [B]."""
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))
