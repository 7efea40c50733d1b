"""An objective optimised at every size inside a graph, coarse to fine, as `transfer.StyleTransfer` does from Python."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, vgg
from nst_tf.export import graph_pictures
from nst_tf.losses import loops, objective
from nst_tf.optimisation import keeping, lbfgs, schedule, stages

# The targets of one size, from the content at it, its height and width, and its share of the full height
TargetsOf = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], objective.Targets]


class Controls(NamedTuple):
    """What a request decides, each a scalar for one picture, [B] in a request."""

    steps: Any  # int32, evaluations at the full size
    content_weight: Any  # float32, in place of the objective's
    seed: Any  # int32, of noise and grain


class _Found(NamedTuple):
    """What the sizes so far came to."""

    image: tf.Tensor  # [1, H, W, 3]; the content before the first size
    loss: tf.Tensor  # scalar
    started: tf.Tensor  # bool scalar, whether there was a size


def coarse_steps_for(config: configs.StyleTransferConfig, steps: tf.Tensor | int) -> tf.Tensor:
    """The coarse_steps of a request for so many steps at the full size, int32.

    Fewer steps leave out as much of the coarse work; more add none to it.
    """
    share = tf.cast(tf.minimum(steps, config.steps), tf.float32) / config.steps
    return tf.maximum(1, tf.cast(tf.round(share * config.coarse_steps), tf.int32))


def optimised(
    content: tf.Tensor,
    style: tf.Tensor,
    controls: Controls,
    goal: objective.Objective,
    targets_of: TargetsOf,
    most_steps: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The best image [1, H, W, 3], and its objective.

    Args:
        content: [1, H, W, 3] in [0, 1].
        style: such a picture of any size, which initialisation=style starts from.
        controls: of the request.
        goal: the objective, whose config has the schedule.
        targets_of: of a size.
        most_steps: at a size.
    """
    config = goal.config
    full_size = tf.shape(content)[1:3]

    def at_size(halvings: tf.Tensor, size: tf.Tensor, found: _Found) -> _Found:
        stage_content = graph_pictures.resize(content, size)

        def finer() -> tf.Tensor:
            coarse = graph_pictures.resize(content, tf.shape(found.image)[1:3])
            start = stages.enlarged(found.image, stage_content, coarse, config.detail_given_back)
            return stages.grained(start, config.grain * config.strength, controls.seed) if config.grain else start

        start = tf.cond(found.started, finer, lambda: _start(content, style, size, controls.seed, config))
        coarse_steps = _coarse_steps(controls.steps, halvings, ~found.started, config)
        steps = tf.where(halvings == 0, controls.steps, coarse_steps)
        targets = targets_of(stage_content, size, size[0] / full_size[0])
        image, loss = _at_one_size(goal, targets, start, steps, controls.content_weight, most_steps)
        return _Found(image, loss, tf.constant(True))

    def with_size(index: tf.Tensor, found: _Found) -> _Found:
        halvings = config.scales - 1 - index
        size = graph_pictures.scaled_size(full_size, tf.cast(0.5, tf.float64) ** tf.cast(halvings, tf.float64))
        is_large = (halvings == 0) | (tf.reduce_min(size) >= schedule.MIN_SIDE_PX)
        found = tf.cond(is_large, lambda: at_size(halvings, size, found), lambda: found)
        return found._replace(image=tf.ensure_shape(found.image, content.shape))

    nothing = _Found(content, tf.constant(float("inf")), tf.constant(False))
    found = loops.in_order(with_size, nothing, config.scales)
    return found.image, found.loss


def _coarse_steps(
    steps: tf.Tensor, halvings: tf.Tensor, is_coarsest: tf.Tensor, config: configs.StyleTransferConfig
) -> tf.Tensor:
    """Evaluations at a size before the last: those of `schedule.sizes`, or fewer for a request of few steps."""
    asked_for = coarse_steps_for(config, steps)
    if config.coarse_growth == 1:
        return asked_for
    table = np.zeros([2, config.scales, config.coarse_steps + 1], np.int32)  # by is_coarsest, halvings, asked_for
    for place in np.ndindex(*table.shape):
        reduced = dataclasses.replace(config, coarse_steps=max(1, place[2]))
        table[place] = schedule.coarse_steps(reduced, max(1, place[1]), is_coarsest=bool(place[0]))
    return tf.gather_nd(table, tf.stack([tf.cast(is_coarsest, tf.int32), halvings, asked_for]))


def _start(
    content: tf.Tensor, style: tf.Tensor, size: tf.Tensor, seed: tf.Tensor, config: configs.StyleTransferConfig
) -> tf.Tensor:
    if config.initialisation == "noise":
        shape = tf.concat([[1], size, [3]], 0)
        noise = tf.random.stateless_normal(shape, tf.stack([seed, 0]), 0.5, config.noise_stddev)
        return tf.clip_by_value(noise, 0.0, 1.0)
    return graph_pictures.resize(style if config.initialisation == "style" else content, size)


def _at_one_size(
    goal: objective.Objective,
    targets: objective.Targets,
    start: tf.Tensor,
    steps: tf.Tensor,
    content_weight: tf.Tensor,
    most_steps: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Optimises at one size: the best image [1, H, W, 3] and its objective."""
    padded_start = vgg.padded(start, vgg.stride_px(goal.config.layers[-1]))
    shape = tf.shape(padded_start)

    def weighted(
        image: tf.Tensor, targets: objective.Targets, loss_scale: tf.Tensor
    ) -> tuple[objective.Terms, tf.Tensor]:
        return goal.terms_and_gradient(image, targets, loss_scale, {"content": content_weight})

    evaluate = keeping.through(weighted)

    def step(count: tf.Tensor, state: lbfgs.LbfgsState) -> tuple[tf.Tensor, lbfgs.LbfgsState]:
        # A bundle's convolutions are direct where nothing else was said, so they do not ask for slower products.
        state, _ = lbfgs.lbfgs_step(state, shape, lambda image: evaluate(image, targets, 1.0), lbfgs.row_products)
        return count + 1, state

    state = lbfgs.lbfgs_start(padded_start, goal.config.lbfgs_memory)
    _, state = tf.while_loop(
        lambda count, _: count < steps, step, (tf.constant(0), state), maximum_iterations=most_steps
    )
    size = tf.shape(start)[1:3]
    image = keeping.seen(lbfgs.lbfgs_image(state.z, shape), targets)
    return image[:, : size[0], : size[1]], state.loss
