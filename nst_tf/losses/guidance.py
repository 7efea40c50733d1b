"""Guided Gram matrices: each region of a picture is compared with the style that goes there.

Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", section 4.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from nst_tf import vgg
from nst_tf.losses import gatys, objective, terms

Guides = dict[str, tf.Tensor]  # by layer, [1, h, w, R] in [0, 1]


class Target(NamedTuple):
    """What a guided style term is compared with in one layer, and where it looks."""

    grams: tf.Tensor  # [1, R, N, N], of the style of each region
    guides: tuple[tf.Tensor, ...]  # R times [1, h, w, 1], how much each position counts; of mean 1, or 0 where empty
    shares: tf.Tensor  # [R], of each region in the picture


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GuidedStyleTerm(gatys.StyleTerm):
    """beta L_style with a Gram matrix for each region: F^T (T F) / M for the guide T of the region.

    Source: Gatys et al. 2017, eq. 5 to 7.  Deviations: T is what the paper calls T^2, so that soft masks share what
    they overlap on; a region's loss has the weight of its share of the picture, as in Luan et al. 2017, and not 1/R, so
    that a pixel is pulled alike in a small region and in a large one, and a mask that is white everywhere changes
    nothing.
    """

    def partial(self, features: tf.Tensor, target: Any = None) -> tf.Tensor:
        """F^T (T F) of each region, [B, R, N, N]."""
        flat = _flat(features)
        guided = [tf.matmul(_flat(features * guide), flat, transpose_a=True) for guide in target.guides]
        return tf.stack(guided, axis=1)

    def measure(self, features: tf.Tensor, target: Any = None) -> tf.Tensor:
        """The Gram matrices of a whole picture, [B, R, N, N], with the gradient in one product as `gram_matrix`'s."""
        flat = tf.stop_gradient(_flat(features))
        positions = tf.cast(tf.shape(flat)[1], features.dtype)
        products = [tf.matmul(_flat(features * guide), flat, transpose_a=True) for guide in target.guides]
        product = tf.stack(products, axis=1)
        g = (2 * product - tf.stop_gradient(product)) / positions
        return (g + tf.linalg.matrix_transpose(g)) / 2

    def loss(self, measured: tf.Tensor, target: Any) -> tf.Tensor:
        """The losses of the regions by their shares, [B]."""
        losses = [
            super(GuidedStyleTerm, self).loss(measured[:, r], target.grams[:, r]) for r in range(len(target.guides))
        ]
        return tf.add_n([target.shares[r] * loss for r, loss in enumerate(losses)])

    def zeros(self, target: Any, zero: tf.Tensor) -> tf.Tensor:
        """[B, R, N, N]."""
        return tf.zeros_like(target.grams) * zero[:, tf.newaxis, tf.newaxis, tf.newaxis]

    def part(self, target: Any, cut: Callable[[tf.Tensor], tf.Tensor]) -> Target:
        """The target with the guides of some positions."""
        return target._replace(guides=tuple(map(cut, target.guides)))

    def gradient(self, features: tf.Tensor, target: Any, slope: tf.Tensor) -> tf.Tensor:
        """T F (D + D^T) for the slope D of each region, added up."""
        shape, flat = tf.shape(features), _flat(features)
        gradient = tf.zeros_like(features)
        for r, guide in enumerate(target.guides):
            product = tf.matmul(flat, slope[:, r] + tf.linalg.matrix_transpose(slope[:, r]))
            gradient += guide * tf.reshape(product, shape)
        return gradient


def can_guide(named_terms: Sequence[terms.Term]) -> bool:
    """Whether everything that is compared with the style is a Gram matrix, which is all that can be guided."""
    of_style = [term for term in named_terms if isinstance(term, terms.FeatureTerm) and term.compares_with == "style"]
    return len(of_style) == 1 and type(of_style[0]) is gatys.StyleTerm


def guided(goal: objective.Objective) -> objective.Objective:
    """The same objective with a guided style term in the place of its style term."""
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


def targets(
    goal: objective.Objective,
    content: tf.Tensor,
    shares: tf.Tensor,
    styles: Sequence[tf.Tensor],
    weights: Sequence[tf.Tensor],
) -> objective.Targets:
    """The targets of a guided objective.

    Args:
        goal: as `guided` makes it.
        content: [1, H, W, 3] in [0, 1].
        shares: [1, H, W, R] in [0, 1], how much of each region's style goes to each pixel of the content. With one
            region the styles are blended by goal.config.style_blend; with several, each style has its own.
        styles: one or more images [1, H', W', 3].
        weights: [1, H', W', 1] in [0, 1] for each, how much each of its pixels counts.
    """
    term = next(term for term in goal.named_terms if isinstance(term, GuidedStyleTerm))
    config = goal.config
    aims = _aims(guides(shares, term.layers, config.propagation), tf.reduce_mean(shares, [0, 1, 2]))
    measured = [
        goal.measurements(
            style, {term.name: _aims(guides(weight, term.layers, config.propagation), tf.ones([1], weight.dtype))}
        )
        for style, weight in zip(styles, weights, strict=True)
    ]
    own = goal.measurements(content, {term.name: aims}) if config.strength < 1 else None
    blend = config.style_blend or (1.0,) * len(styles)
    wanted = {}
    for layer in term.layers:
        grams = [style[term.name][layer] for style in measured]
        if shares.shape[-1] == 1:
            gram = gatys.weighted_sum(grams, tuple(share / sum(blend) for share in blend))
        else:
            gram = tf.concat(grams, 1)
        if own:
            gram = (1 - config.strength) * own[term.name][layer] + config.strength * gram
        wanted[layer] = aims[layer]._replace(grams=gram)
    return goal.content_targets(content) | {term.name: wanted}


def _guided(term: terms.Term) -> terms.Term:
    if type(term) is not gatys.StyleTerm:
        return term
    fields = {field.name: getattr(term, field.name) for field in dataclasses.fields(term)}
    return GuidedStyleTerm(**fields)


def _aims(found: Guides, shares: tf.Tensor) -> dict[str, Target]:
    """Targets without Gram matrices yet. A region of which nothing is left at a layer has no share there."""
    aims = {}
    for layer, guide in found.items():
        mean = tf.reduce_mean(guide, [0, 1, 2])  # [R]
        normalised = tf.split(tf.math.divide_no_nan(guide, mean), guide.shape[-1], -1)
        none = tf.zeros([1, 0, 0, 0], guide.dtype)
        aims[layer] = Target(none, tuple(normalised), tf.where(mean > 0, shares, tf.zeros_like(shares)))
    return aims


def _flat(features: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(features)
    return tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]])  # [B, M, N]
