"""What a stylised image should be: targets taken from two pictures, and the sum of named terms.

There is one definition of content and style in the project, this one. Gram matrices are G/M everywhere.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import (
    crosshatch,
    frame,
    gatys,
    moments,
    patches,
    photorealism,
    specks,
    terms,
    total_variation,
    wasserstein,
)

Features = dict[str, tf.Tensor]  # by layer, [B, H', W', N]
Terms = terms.Terms

# What the generated image is compared with: by the name of a term, then by layer (or what a pixel term names)
Targets = dict[str, dict[str, terms.Measured]]

Weights = Mapping[str, terms.Weight]  # of terms, in place of their own; a scalar tensor lets one graph take any weight

# (image, targets, loss_scale) -> (terms, gradient), as Objective.terms_and_gradient
TermsAndGradient = Callable[[tf.Tensor, Targets, tf.Tensor], tuple[Terms, tf.Tensor]]


def terms_of(config: configs.StyleTransferConfig) -> tuple[terms.Term, ...]:
    """The terms of a configuration: eq. 7 of Gatys et al., or other statistics of the style, and the terms on pixels.

    Total variation, specks, frame and crosshatch go down with the strength, since they would change the content, too;
    the matting term would not.
    """
    further = [
        specks.SpecksTerm(weight=config.specks_weight * config.strength),
        frame.FrameTerm(weight=config.frame_weight * config.strength),
        crosshatch.CrosshatchTerm(weight=config.crosshatch_weight * config.strength),
        photorealism.PhotorealismTerm(weight=config.photorealism_weight),
    ]
    return (
        gatys.ContentTerm(weight=config.content_weight, layers=config.content_layers, reduction=config.reduction),
        *(_style_term(name, weight, config) for name, weight in config.weights_of_style_terms.items()),
        total_variation.TotalVariationTerm(
            weight=config.total_variation_weight * config.strength, form=config.total_variation
        ),
        *(term for term in further if term.weight),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """The sum of named terms on one network.

    Attributes:
        extractor: image [B, H, W, 3] in [0, 1] -> {layer: features}, such as `vgg.feature_extractor` builds, or any
            callable of that form; the features are cast to the image's dtype before anything is computed from them.
        config: the settings of the terms, and the shares of several styles.
        named_terms: what is added up, in this order; the terms of config when left out. Their layers must be among
            those of config, by which memory and tiles are planned.
    """

    extractor: Callable[[tf.Tensor], Features]
    config: configs.StyleTransferConfig
    named_terms: tuple[terms.Term, ...] = ()

    def __post_init__(self) -> None:
        if not self.named_terms:
            object.__setattr__(self, "named_terms", terms_of(self.config))

    @property
    def feature_terms(self) -> tuple[terms.FeatureTerm, ...]:
        """The terms on features."""
        return tuple(term for term in self.named_terms if isinstance(term, terms.FeatureTerm))

    @property
    def pixel_terms(self) -> tuple[terms.PixelTerm, ...]:
        """The terms on pixels."""
        return tuple(term for term in self.named_terms if isinstance(term, terms.PixelTerm))

    @property
    def can_tile(self) -> bool:
        """Whether `TiledObjective` gives the same; not for a class of one's own, nor for terms that need the whole."""
        return type(self) is Objective and not any(term.why_whole for term in self.feature_terms)

    @property
    def names(self) -> tuple[str, ...]:
        """Every number of a step, as `Terms.named` orders them."""
        parts = [f"{term.name}/{layer}" for term in self.feature_terms for layer in term.layers]
        return ("total", *(term.name for term in self.named_terms), "gradient_norm", *parts)

    def features(self, image: tf.Tensor) -> Features:
        """The tapped features in the image's dtype: a Gram matrix in float16 would overflow."""
        return {layer: tf.cast(f, image.dtype) for layer, f in self.extractor(image).items()}

    def targets(self, content: tf.Tensor, styles: Sequence[tf.Tensor]) -> Targets:
        """Computes the targets, once for a run.

        Args:
            content: [1, H, W, 3] in [0, 1].
            styles: one or more such images, each of any size.

        Returns:
            The targets. Several styles are blended as the weighted mean of their Gram matrices, whose objective has the
            same gradient as the weighted sum of the losses towards each; other terms say how they blend. Below
            strength 1 the content picture is one of the styles: (1 - s) G(content) + s A(style).

        Raises:
            ValueError: style_blend has another length than styles.
        """
        blend = self.config.style_blend or (1.0,) * len(styles)
        shares = tuple(share / sum(blend) for share in blend)
        measured = [self.style_measurements(style) for style in styles]
        if self.config.strength < 1:
            measured.append(self.style_measurements(content))
            shares = (*(share * self.config.strength for share in shares), 1 - self.config.strength)
        of_style = {
            term.name: {
                layer: term.blended([style[term.name][layer] for style in measured], shares) for layer in term.layers
            }
            for term in self.feature_terms
            if term.compares_with == "style"
        }
        return self.content_targets(content) | of_style

    def content_targets(self, content: tf.Tensor) -> Targets:
        """The part of the targets that depends on the content image alone, [B, H, W, 3] in [0, 1]."""
        features = self.content_features(content)
        return {term.name: term.target(content) for term in self.pixel_terms} | {
            term.name: {layer: features[layer] for layer in term.layers}
            for term in self.feature_terms
            if term.compares_with == "content"
        }

    def content_features(self, image: tf.Tensor) -> Features:
        """The features of a content image at every layer where they are a target."""
        features = self.features(image)
        return {layer: features[layer] for layer in self._layers_compared_with("content")}

    def style_measurements(self, image: tf.Tensor) -> Targets:
        """What the terms that compare with style measure of a style image, by name and layer: A/M."""
        features = self.features(image)
        measured = {}
        for term in self.feature_terms:
            if term.compares_with == "style":
                measured[term.name] = {layer: term.measure(features[layer]) for layer in term.layers}
                views = [self.features(view) for view in term.views(image)]
                for layer, itself in measured[term.name].items() if views else ():
                    measured[term.name][layer] = term.joined([itself, *(term.measure(view[layer]) for view in views)])
        return measured

    def terms(self, image: tf.Tensor, targets: Targets, weights: Weights | None = None) -> Terms:
        """Evaluates the objective.

        Args:
            image: [B, H, W, 3] in [0, 1], of the content target's size.
            targets: of one content image and one style.
            weights: of some terms, in place of their own.

        Source: eq. 7 with eq. 1, 4 and 5. With several content layers their mean is taken.
        """
        features = self.features(image)
        measured = {
            term.name: {layer: term.measure(features[layer], targets[term.name][layer]) for layer in term.layers}
            for term in self.feature_terms
        }
        values = {term.name: term.value(image, targets[term.name]) for term in self.pixel_terms}
        return self.combined(measured, values, tf.zeros_like(image[:, 0, 0, 0]), targets, weights)

    def combined(
        self,
        measured: Targets,
        pixel_values: dict[str, tf.Tensor],
        zero: tf.Tensor,
        targets: Targets,
        weights: Weights | None = None,
    ) -> Terms:
        """The objective from what an image's features and pixels add up to.

        Args:
            measured: of each term on features, by layer.
            pixel_values: of each term on pixels, weighted, [B] each.
            zero: [B].
            targets: as in `terms`.
            weights: as in `terms`.
        """
        values: dict[str, tf.Tensor] = {}
        parts: dict[str, tf.Tensor] = {}
        for term in self.named_terms:
            if isinstance(term, terms.PixelTerm):
                values[term.name] = pixel_values[term.name]
                continue
            losses = {
                layer: term.loss(layer_measured, targets[term.name][layer])
                for layer, layer_measured in measured[term.name].items()
            }
            weight = (weights or {}).get(term.name, term.weight)
            values[term.name] = term.value(list(losses.values()), weight) if losses else zero
            parts |= {f"{term.name}/{layer}": loss for layer, loss in losses.items()}
        return Terms(functools.reduce(operator.add, values.values()), values, parts)

    def terms_and_gradient(
        self,
        image: tf.Tensor,
        targets: Targets,
        loss_scale: tf.Tensor | float = 1.0,
        weights: Weights | None = None,
    ) -> tuple[Terms, tf.Tensor]:
        """Evaluates the objective and its gradient with respect to the image.

        Args:
            image: as in `terms`.
            targets: as in `terms`.
            loss_scale: the gradient is carried back through the network multiplied by this and divided again, so that
                float16 does not flush it to zero.
            weights: as in `terms`.

        Returns:
            The terms and d total / d image, [B, H, W, 3].
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            evaluated = self.terms(image, targets, weights)
            scaled_total = evaluated.total * loss_scale
        return evaluated, tape.gradient(scaled_total, image) / loss_scale

    def measurements(self, image: tf.Tensor, targets: Targets) -> Targets:
        """What some terms measure of an image.

        Args:
            image: [B, H, W, 3] in [0, 1].
            targets: of the terms that are to measure, as in `terms`.
        """
        features = self.features(image)
        return {
            term.name: {layer: term.measure(features[layer], targets[term.name][layer]) for layer in term.layers}
            for term in self.feature_terms
            if term.name in targets
        }

    def _layers_compared_with(self, picture: str) -> tuple[str, ...]:
        """The layers of the terms that compare with a picture, each once."""
        layers = [layer for term in self.feature_terms if term.compares_with == picture for layer in term.layers]
        return tuple(dict.fromkeys(layers))


def adjustable(objective: Objective) -> Objective:
    """The same with the weights of its terms on features in variables, so that one traced step takes any."""
    named_terms = [
        dataclasses.replace(term, weight=tf.Variable(term.weight, trainable=False))
        if isinstance(term, terms.FeatureTerm)
        else term
        for term in objective.named_terms
    ]
    return dataclasses.replace(objective, named_terms=tuple(named_terms))


def adjust(objective: Objective) -> None:
    """Sets the weights of an `adjustable` objective to those of its configuration."""
    for term, wanted in zip(objective.named_terms, terms_of(objective.config), strict=True):
        if isinstance(term.weight, tf.Variable):
            term.weight.assign(wanted.weight)


def _style_term(name: str, weight: float, config: configs.StyleTransferConfig) -> terms.FeatureTerm:
    """The term of one statistic of the style, by its name in a configuration."""
    if name == "mrf":
        return patches.MrfTerm(
            weight=weight,
            layers=config.mrf_layers,
            stride=config.mrf_stride,
            rotation_steps=config.mrf_rotation_steps,
            scale_steps=config.mrf_scale_steps,
            form=config.mrf_form,
        )
    settings: dict[str, Any] = {
        "weight": weight,
        "layers": config.style_layers,
        "layer_weights": config.style_layer_weights,
    }
    if name == "gram":
        return gatys.StyleTerm(**settings, reduction=config.reduction)
    statistic: Any = {"w2": wasserstein.WassersteinTerm, "moments": moments.MomentsTerm}[name]
    return statistic(**settings)


def norm(gradient: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each image's gradient, [B]."""
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))
