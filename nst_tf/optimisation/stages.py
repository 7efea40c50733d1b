"""One size of a run: how it is computed, where it starts, what it is compared with, and how it ends."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, machine, precision, vgg
from nst_tf.losses import guidance, on_vgg19, terms, tiled_objective
from nst_tf.losses import objective as objectives
from nst_tf.optimisation import averaging, clock, keeping, lbfgs, memory_plan, optimizers, schedule
from nst_tf.pictures import images, inputs, masks

DIVERGED = 2.0  # the last objective over the best one from which a run counts as diverged
_FLOAT16 = "mixed_float16"


class Stage(NamedTuple):
    """One size, and how it is computed."""

    height_px: int
    width_px: int
    steps: int
    plan: memory_plan.Plan
    regions: int = 0  # that guide the style term; 0 where it looks at the whole picture
    keeps: bool = False  # whether something of the content is kept

    @property
    def key(self) -> tuple[int, ...]:
        """Stages with the same key share an optimiser and its graph."""
        tile = (self.plan.tile_height_px, self.plan.tile_width_px) if self.plan.is_tiled else ()
        return (self.plan.lbfgs_memory, self.regions, self.keeps, *tile)

    def recorded(self) -> dict[str, int]:
        """What a result tells of it."""
        return {"height_px": self.height_px, "width_px": self.width_px, "steps": self.steps}


class Outcome(NamedTuple):
    """What a stage came to."""

    image: tf.Tensor  # the best one, [1, H, W, 3]
    best_loss: float  # its objective
    diverged: bool


def planned(
    config: configs.StyleTransferConfig,
    policy: str,
    height_px: int,
    width_px: int,
    budget_bytes: float,
    *,
    can_tile: bool = True,
    regions: int = 0,
    keeps: bool = False,
) -> tuple[Stage, ...]:
    """The stages of a run, coarsest first, each fitted into memory.

    The arguments are those of `memory_plan.plan`; keeps says whether something of the content is kept.

    Raises:
        MemoryBudgetError: a size does not fit.
    """
    return tuple(
        Stage(
            *size,
            memory_plan.plan(config, policy, *size[:2], budget_bytes, can_tile=can_tile, regions=regions),
            regions,
            keeps,
        )
        for size in schedule.sizes(config, height_px, width_px)
    )


def described(stages: Sequence[Stage], config: configs.StyleTransferConfig, network: on_vgg19.Network) -> str:
    """What the user reads before the start: the sizes, how they are computed, memory and time."""
    text = "plan: " + "; ".join(stage.plan.describe(config) for stage in stages)
    if not network.weights:  # a caller's own network, whose work is not known
        return text
    rate = machine.flop_per_s(network.policy)
    seconds = sum(stage.steps * (clock.OVERHEAD_S + stage.plan.step_flop / rate) for stage in stages)
    return f"{text}; {clock.duration(seconds)}"


def objective(whole: objectives.Objective, stage: Stage) -> objectives.Objective:
    """The objective as a stage computes it: whole, or in tiles."""
    if stage.regions:
        whole = guidance.guided(whole)
    if not stage.plan.is_tiled:
        return whole
    return tiled_objective.TiledObjective(
        extractor=whole.extractor,
        config=whole.config,
        named_terms=whole.named_terms,
        tile_height_px=stage.plan.tile_height_px,
        tile_width_px=stage.plan.tile_width_px,
    )


def targets(goal: objectives.Objective, pictures: inputs.Inputs, stage: Stage) -> objectives.Targets:
    """The targets of one size. The scaled pictures go with this function's end."""
    content = tf.constant(inputs.at_size(pictures.content.pixels, stage.height_px, stage.width_px))
    scale = stage.height_px / pictures.content.height_px
    need_px = goal.config.style_side_px
    styles = [tf.constant(inputs.scaled_style(picture.pixels, scale, need_px)) for picture in pictures.styles]
    stride = vgg.stride_px(*goal.config.layers)
    content = vgg.padded(content, stride)

    def at_stage(plane: np.ndarray) -> tf.Tensor:
        return vgg.padded(tf.constant(images.resize(plane, stage.height_px, stage.width_px)), stride)

    if stage.regions:
        weights = [
            tf.constant(inputs.at_size(weight, *style.shape[1:3]))
            for style, weight in zip(styles, masks.style_weights(pictures), strict=True)
        ]
        measured = [guidance.measured(goal, *each) for each in zip(styles, weights, strict=True)]
        blend = goal.config.style_blend or (1.0,) * len(styles)
        of_styles = guidance.together(measured) if stage.regions > 1 else guidance.blended(measured, blend)
        found = guidance.targets(goal, content, at_stage(masks.free_shares(pictures)), of_styles)
    else:
        found = goal.targets(content, styles)
    kept = masks.kept(pictures, with_uncovered=True)
    return found if kept is None else keeping.with_kept(found, content, at_stage(kept))


def regions(pictures: inputs.Inputs, named_terms: Sequence[terms.Term]) -> int:
    """How many regions guide the style term of a run; 0 where it looks at the whole picture.

    Args:
        pictures: of the run; with masks or transparent parts, there is one region at least.
        named_terms: of the objective. Where they cannot be guided, transparent pixels take part in the style.

    Raises:
        ConfigError: there are masks, and the terms cannot be guided.
    """
    has_masks = bool(pictures.masks or pictures.own_masks)
    transparent = any(picture.alpha is not None for picture in (pictures.content, *pictures.styles))
    can_guide = guidance.can_guide(named_terms)
    if has_masks and not can_guide:
        raise errors.ConfigError(
            "masks of styles guide means over positions (gram, w2, moments). Received: an objective with another style "
            "term, such as mrf, whose patches reach over the edges of masks. Leave out the masks or that term."
        )
    is_guided = can_guide and (has_masks or transparent or pictures.keep is not None)
    return max(1, len(pictures.masks)) if is_guided else 0


def start(
    config: configs.StyleTransferConfig, pictures: inputs.Inputs, stage: Stage, before: tf.Tensor | None
) -> tf.Tensor:
    """The image that a size starts at: the size before scaled up, or the start of the run; padded to the stride."""
    if before is None:
        image = start_image(config, pictures, stage.height_px, stage.width_px)
    else:
        content = inputs.at_size(pictures.content.pixels, stage.height_px, stage.width_px)
        coarse = inputs.at_size(pictures.content.pixels, *before.shape[1:3]) if config.detail_given_back else None
        image = enlarged(before, content, coarse, config.detail_given_back)
        if config.grain:
            image = grained(image, config.grain * config.strength, config.seed)
    return vgg.padded(image, vgg.stride_px(*config.layers))


def enlarged(
    before: tf.Tensor, content: tf.Tensor | np.ndarray, coarse_content: tf.Tensor | np.ndarray | None, detail: float
) -> tf.Tensor:
    """The result of one size as the start of the next, [1, H, W, 3] in [0, 1].

    It has a share of what the content loses between the sizes, without which small parts such as faces are gone.

    Args:
        before: [1, h, w, 3].
        content: [1, H, W, 3].
        coarse_content: the content at the size of before; None where detail is 0.
        detail: that share, 0 to 1.
    """
    size = tf.shape(content)[1:3]
    image = tf.image.resize(before, size, "bicubic")
    if coarse_content is not None and detail:
        image += detail * (content - tf.image.resize(coarse_content, size, "bicubic"))
    return tf.clip_by_value(image, 0.0, 1.0)


def grained(image: tf.Tensor, stddev: float | tf.Tensor, seed: int | tf.Tensor) -> tf.Tensor:
    """A picture under a soft grey grain of about 4 px, the same for the same seed and size.

    An even start has no fine structure, and the first gradients would give it the grid of the network's poolings.

    Args:
        image: [1, H, W, 3] in [0, 1].
        stddev: of the grain, on the same scale.
        seed: of the grain.

    Returns:
        [1, H, W, 3] in [0, 1].
    """
    binomial = np.array([1, 4, 6, 4, 1], np.float32)
    kernel = np.outer(binomial, binomial)
    kernel = tf.constant(kernel / np.linalg.norm(kernel))[..., tf.newaxis, tf.newaxis]  # keeps the variance
    white = tf.random.stateless_normal(tf.concat([tf.shape(image)[:3], [1]], 0), tf.stack([seed, 1]))
    return tf.clip_by_value(image + stddev * tf.nn.conv2d(white, kernel, 1, "SAME"), 0.0, 1.0)


def with_own_extremes(image: np.ndarray, content: images.Picture, config: configs.StyleTransferConfig) -> np.ndarray:
    """A run's image with the share 1 - strength of the black and white that L-BFGS starts off: at 0 the content's own.

    Args:
        image: float32 [1, H, W, 3] in [0, 1].
        content: as the network saw it, of whatever size.
        config: strength, optimizer.
    """
    if config.strength == 1 or config.optimizer != "lbfgs":
        return image
    own = inputs.at_size(content.pixels, *image.shape[1:3])
    lost = own - own.clip(lbfgs.SATURATION, 1 - lbfgs.SATURATION)
    return (image + np.float32(1 - config.strength) * lost).clip(0, 1)


def start_image(
    config: configs.StyleTransferConfig, pictures: inputs.Inputs, height_px: int, width_px: int
) -> tf.Tensor:
    """The image that the optimisation starts at, [1, height_px, width_px, 3] in [0, 1]."""
    if config.initialisation == "noise":
        shape = [1, height_px, width_px, 3]
        noise = tf.random.stateless_normal(shape, [config.seed, 0], 0.5, config.noise_stddev)
        return tf.clip_by_value(noise, 0.0, 1.0)
    picture = pictures.styles[0] if config.initialisation == "style" else pictures.start or pictures.content
    return tf.constant(images.resize(picture.pixels, height_px, width_px))


def new_optimizer(
    config: configs.StyleTransferConfig, goal: objectives.Objective, stage: Stage, shape: tf.TensorShape
) -> optimizers.Startable:
    """An optimiser for a stage, with as many pairs of L-BFGS as its memory allows."""
    return optimizers.make(
        dataclasses.replace(config, lbfgs_memory=stage.plan.lbfgs_memory),
        keeping.through(goal.terms_and_gradient) if stage.keeps else goal.terms_and_gradient,
        shape,
        jit_compile=config.xla == "on" and not stage.plan.is_tiled,  # XLA needs fixed shapes
    )


def loss_scale(
    policy: str, goal: objectives.Objective, optimizer: optimizers.Optimizer, targets: objectives.Targets
) -> tf.Tensor:
    """By what the objective is multiplied inside the network: 1 but under float16.

    It is found where the optimiser starts, since L-BFGS moves the image off black and white.
    """
    if policy != _FLOAT16:
        return tf.constant(1.0)
    return tf.constant(precision.loss_scale(goal.terms_and_gradient, optimizer.best_image, targets))


def outcome(
    goal: objectives.Objective,
    targets: objectives.Targets,
    stage: Stage,
    optimizer: optimizers.Optimizer,
    history: Sequence[objectives.Terms],
) -> Outcome:
    """What a stage came to.

    Args:
        goal: its objective.
        targets: its targets.
        stage: which one.
        optimizer: after its last step.
        history: the terms of its steps.

    Raises:
        NstError: the objective or its gradient was not a finite number at the start.
    """
    best_loss = float(optimizer.best_loss)
    if not np.isfinite([best_loss, float(history[0].named()["gradient_norm"][0])]).all():
        raise errors.NstError(
            "the objective or its gradient is not a finite number at the start. Try --precision=float32 or other "
            "weights."
        )
    last_loss = float(history[-1].total[0])
    diverged = not optimizer.recovers and not last_loss <= DIVERGED * best_loss  # true for NaN, too
    image = keeping.seen(optimizer.best_image, targets)
    if isinstance(optimizer, averaging.Averaged):  # whose image was never evaluated
        best_loss = float(goal.terms(image, targets).total[0])
    return Outcome(image[:, : stage.height_px, : stage.width_px], best_loss, diverged)


def averaged(config: configs.StyleTransferConfig, optimizer: optimizers.Startable) -> Any:
    """The optimiser, or the average over its images where the configuration asks for one."""
    return averaging.Averaged(optimizer, config.averaging) if config.averaging else optimizer
