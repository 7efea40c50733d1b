"""Guided statistics: each region of a picture is compared with the style that goes there.

Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 4, for Gram matrices.
Deviation: other statistics that are means over positions, covariances and moments, are guided alike.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from nst_tf import vgg
from nst_tf.losses import gatys, moments, objective, terms, wasserstein

Guides = dict[str, tf.Tensor]  # by layer, [1, h, w, R] in [0, 1]


class Target(NamedTuple):
    """What a guided style term is compared with in one layer, and where it looks."""

    statistics: Any  # the target of the plain term for the style of each region, R in the place of a batch
    guides: tf.Tensor  # [R, h, w, 1], how much each position counts for a region; of mean 1, or 0 where it is empty
    shares: tf.Tensor  # [R], of each region in the picture


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GuidedTerm(terms.StatisticTerm):
    """A statistic of each region: the mean over positions p of T_p s(F_p), where s is what the plain term sums up.

    The regions of a picture, of which there is one, take the place of a batch.

    Source: Gatys et al. 2017, eq. 5 to 7.  Deviations: T is what the paper calls T^2, so that soft masks share what
    they overlap on; a region's loss has the weight of its share of the picture, as in Luan et al. 2017, and not 1/R, so
    that a pixel is pulled alike in a small region and in a large one, and a mask that is white everywhere changes
    nothing.
    """

    def partial(self, features: tf.Tensor, target: Any = None) -> tf.Tensor:
        """The sums of each region, [R, ...]."""
        return self.weighted(features, target.guides)

    def measure(self, features: tf.Tensor, target: Any = None) -> tf.Tensor:
        """The means of a whole picture, [R, ...]; their gradient is the written one, as in tiles."""
        positions = tf.cast(tf.shape(features)[1] * tf.shape(features)[2], features.dtype)

        @tf.custom_gradient
        def measured(features: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            means = self.averaged(self.weighted(features, target.guides), positions)
            return means, lambda slope: self.gradient(features, target, slope / positions)

        found: tf.Tensor = measured(features)
        return found

    def loss(self, measured: tf.Tensor, target: Any) -> tf.Tensor:
        """The losses of the regions by their shares, [1]."""
        return tf.reduce_sum(target.shares * super().loss(measured, target.statistics), keepdims=True)

    def zeros(self, target: Any, zero: tf.Tensor) -> tf.Tensor:
        """[R, ...]."""
        return super().zeros(target.statistics, zero * tf.zeros_like(target.shares))

    def part(self, target: Any, cut: Callable[[tf.Tensor], tf.Tensor]) -> Target:
        """The target with the guides of some positions."""
        return target._replace(guides=cut(target.guides))

    def gradient(self, features: tf.Tensor, target: Any, slope: tf.Tensor) -> tf.Tensor:
        """T times the gradient of the plain term for the slope of each region, added up."""
        of_regions = super().gradient(features, target.statistics, slope)
        return tf.reduce_sum(target.guides * of_regions, 0, keepdims=True)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GuidedStyleTerm(GuidedTerm, gatys.StyleTerm):
    """Guided Gram matrices, F^T (T F) / M."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GuidedWassersteinTerm(GuidedTerm, wasserstein.WassersteinTerm):
    """Guided means and covariances."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GuidedMomentsTerm(GuidedTerm, moments.MomentsTerm):
    """Guided means and deviations."""


_GUIDED: dict[type[terms.Term], type[GuidedTerm]] = {
    gatys.StyleTerm: GuidedStyleTerm,
    wasserstein.WassersteinTerm: GuidedWassersteinTerm,
    moments.MomentsTerm: GuidedMomentsTerm,
}


def can_guide(named_terms: Sequence[terms.Term]) -> bool:
    """Whether everything that is compared with the style is a mean over positions, which is all that can be guided."""
    of_style = [term for term in named_terms if isinstance(term, terms.FeatureTerm) and term.compares_with == "style"]
    return bool(of_style) and all(type(term) in _GUIDED for term in of_style)


def guided(goal: objective.Objective) -> objective.Objective:
    """The same objective with guided style terms in the place of its style terms."""
    return dataclasses.replace(goal, named_terms=tuple(map(_guided, goal.named_terms)))


def guides(masks: tf.Tensor, layers: Sequence[str], propagation: str) -> Guides:
    """The guides of some layers from masks of the pixels.

    Args:
        masks: [1, H, W, R] in [0, 1]; sides that the network's pooling does not divide lose what it drops.
        layers: in the paper's names.
        propagation: `simple` for the mean over the pixels that a position stands for; `all` for every position whose
            receptive field meets the region; `inside` for those whose receptive field lies within it.

    Source: Gatys et al. 2017, section 4.1.  Deviation: masks may be soft, and fields take their largest or their
    smallest value.
    """
    if propagation == "simple":
        strides = {layer: vgg.stride_px(layer) for layer in layers}
        return {layer: tf.nn.avg_pool2d(masks, stride, stride, "VALID") for layer, stride in strides.items()}
    sign = 1.0 if propagation == "all" else -1.0
    found, values = {}, sign * masks  # the smallest value is the largest of the negative ones
    for layer in vgg.up_to(layers) if layers else ():
        values = tf.nn.max_pool2d(values, 3, 1, "SAME")
        if layer in layers:
            found[layer] = sign * values
        if vgg.ends_a_block(layer):
            values = tf.nn.max_pool2d(values, 2, 2, "VALID")
    return found


def measured(goal: objective.Objective, style: tf.Tensor, weights: tf.Tensor) -> objective.Targets:
    """The statistics of one style picture, by name and layer, each [1, ...].

    Args:
        goal: as `guided` makes it.
        style: [1, H, W, 3] in [0, 1].
        weights: [1, H, W, 1] in [0, 1], how much each of its pixels counts.
    """
    return goal.measurements(style, _aims(goal, weights, tf.ones([1], weights.dtype)))


def blended(measurements: Sequence[objective.Targets], shares: Sequence[float]) -> objective.Targets:
    """The statistics of several styles for one region, as those of their mixture; shares of any sum above 0."""
    normalised = [share / sum(shares) for share in shares]

    def mean(*each: tf.Tensor) -> tf.Tensor:
        return tf.add_n([share * one for share, one in zip(normalised, each, strict=True)])

    mixture: objective.Targets = tf.nest.map_structure(mean, *measurements)
    return mixture


def together(measurements: Sequence[objective.Targets]) -> objective.Targets:
    """The statistics of several styles, one for each region, [R, ...]."""
    joined: objective.Targets = tf.nest.map_structure(lambda *each: tf.concat(each, 0), *measurements)
    return joined


def targets(
    goal: objective.Objective, content: tf.Tensor, shares: tf.Tensor, styles: objective.Targets
) -> objective.Targets:
    """The targets of a guided objective.

    Args:
        goal: as `guided` makes it.
        content: [1, H, W, 3] in [0, 1].
        shares: [1, H, W, R] in [0, 1], how much of each region's style goes to each pixel of the content.
        styles: what was `measured` of the styles, `blended` for one region or `together` for several.
    """
    aims = _aims(goal, shares, tf.reduce_mean(shares, [0, 1, 2]))
    strength = goal.config.strength
    own = goal.measurements(content, aims) if strength < 1 else {}
    wanted: objective.Targets = {}
    for term in _guided_terms(goal):
        wanted[term.name] = {}
        for layer in term.layers:
            parts, weights = [styles[term.name][layer]], [strength]
            if own:
                parts, weights = [*parts, own[term.name][layer]], [strength, 1 - strength]
            wanted[term.name][layer] = aims[term.name][layer]._replace(statistics=term.blended(parts, weights))
    return goal.content_targets(content) | wanted


def _guided_terms(goal: objective.Objective) -> list[GuidedTerm]:
    return [term for term in goal.named_terms if isinstance(term, GuidedTerm)]


def _guided(term: terms.Term) -> terms.Term:
    if type(term) not in _GUIDED:
        return term
    fields = {field.name: getattr(term, field.name) for field in dataclasses.fields(term)}
    return _GUIDED[type(term)](**fields)


def _aims(goal: objective.Objective, masks: tf.Tensor, shares: tf.Tensor) -> objective.Targets:
    """Targets without statistics yet. A region of which nothing is left at a layer has no share there."""
    aims: objective.Targets = {}
    for term in _guided_terms(goal):
        aims[term.name] = {}
        for layer, guide in guides(masks, term.layers, goal.config.propagation).items():
            mean = tf.reduce_mean(guide, [0, 1, 2])  # [R]
            normalised = tf.transpose(tf.math.divide_no_nan(guide, mean), [3, 1, 2, 0])  # [R, h, w, 1]
            left = tf.where(mean > 0, shares, tf.zeros_like(shares))
            aims[term.name][layer] = Target((), normalised, left)
    return aims
