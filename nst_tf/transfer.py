"""stylize(): the main path, from two pictures and a configuration to a stylised one."""

import dataclasses
import functools
import math
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from nst_tf import (
    adain_transfer,
    checkpoint,
    configs,
    errors,
    identity,
    images,
    inputs,
    loop,
    memory_plan,
    optimizers,
    precision,
    results,
    schedule,
    tiling,
    vgg,
    weights,
)
from nst_tf import objective as objectives

DIVERGED = 2.0  # the last objective over the best one from which a run counts as diverged
_FLOAT16 = "mixed_float16"


def stylize(
    content: inputs.Source,
    style: inputs.Source | Sequence[inputs.Source],
    config: configs.StyleTransferConfig | None = None,
    *,
    extractor: Any = None,
    objective: objectives.Objective | None = None,
    checkpoints: checkpoint.Checkpoints | None = None,
    on_report: loop.OnReport | None = None,
    on_message: loop.OnMessage = logging.info,
) -> results.StyleTransferResult:
    """Renders the content of one picture in the style of another.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8, or
            floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; it is never scaled up.
        style: the same, or a list or tuple of several.
        config: the settings; the preset `default` when left out.
        extractor: a feature extractor to use in place of the one that config describes, as `vgg.extractor` builds.
        objective: an objective to use in place of eq. 7 on the extractor.
        checkpoints: where the run is kept against its being killed, and what it continues; to be removed once the
            result is in safety.
        on_report: called with a `Report` after the first step, then about twice a second, at each snapshot and at the
            end. It may raise `StopStylizing` to end the run with the picture so far.
        on_message: called with lines worth telling the user, such as where the weights came from.

    Returns:
        The picture, its loss history and how it was made.

    Raises:
        NstError: a picture, setting or network that does not serve; the message names the mend.
    """
    config = configs.StyleTransferConfig() if config is None else config
    is_named = config.weights in weights.SOURCES  # a file may change between two calls
    if extractor is None and objective is None and is_named:
        engine = _shared_engine(config)
    else:
        engine = StyleTransfer(config, extractor=extractor, objective=objective)
    return engine(content, style, checkpoints=checkpoints, on_report=on_report, on_message=on_message)


class Network(NamedTuple):
    """An objective on its network, and what to record of them."""

    objective: objectives.Objective
    policy: str  # Keras dtype policy; "as given" where an extractor was given
    weights: dict[str, str]  # network, source, sha256, licence


class SharedNetworks:
    """VGG-19 for several configurations: its weights are loaded once, an extractor is built once for each depth.

    Args:
        layers: every layer that one of the configurations taps.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = frozenset(layers)
        self._weights: dict[tuple[str, str], weights.VggWeights] = {}
        self._extractors: dict[tuple[str, ...], Any] = {}

    def loaded(self, config: configs.StyleTransferConfig, on_message: loop.OnMessage) -> weights.VggWeights:
        """The weights that a configuration names."""
        key = (config.weights, config.network)
        if key not in self._weights:
            self._weights[key] = weights.load(config.weights, network=config.network, on_message=on_message)
            on_message(f"weights: {self._weights[key].source}")
        return self._weights[key]

    def network(self, config: configs.StyleTransferConfig, on_message: loop.OnMessage) -> Network:
        """The objective of a configuration on its network, which ends at the deepest layer of the configuration."""
        policy, reason = precision.resolve(config.precision)
        key = (config.weights, config.network, config.layers[-1], config.pooling, policy)
        if key not in self._extractors:
            if not self._extractors:
                on_message(f"precision: {policy}, {reason}")
            convolutions = self.loaded(config, on_message).convolutions
            depth = configs.LAYERS.index(config.layers[-1])
            taps = [layer for layer in configs.LAYERS[: depth + 1] if layer in self._layers.union(config.layers)]
            self._extractors[key] = vgg.extractor(convolutions, taps, pooling=config.pooling, policy=policy)
        loaded = self.loaded(config, on_message)
        recorded = {name: getattr(loaded, name) for name in ("network", "source", "sha256", "licence")}
        return Network(objectives.Objective(extractor=self._extractors[key], config=config), policy, recorded)


class StyleTransfer:
    """A configuration made ready: network, objective and traced step, reused from picture to picture.

    Building it does no work; the first call loads the network. Calls from several threads wait for each other. The
    arguments are those of `stylize`; networks lets several configurations share one network.
    """

    def __init__(
        self,
        config: configs.StyleTransferConfig | None = None,
        *,
        extractor: Any = None,
        objective: objectives.Objective | None = None,
        networks: SharedNetworks | None = None,
    ) -> None:
        self.config = configs.StyleTransferConfig() if config is None else config
        self._network: Network | None = None
        self._networks = networks
        self._can_tile = objective is None
        if extractor is not None and objective is None:
            objective = objectives.Objective(extractor=extractor, config=self.config)
        if objective is not None:
            self._network = Network(objective, "as given", {})
        self._optimizers: dict[tuple[int, ...], Any] = {}  # by tile and lbfgs_memory, those of the last picture
        self._lock = threading.Lock()

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        checkpoints: checkpoint.Checkpoints | None = None,
        on_report: loop.OnReport | None = None,
        on_message: loop.OnMessage = logging.info,
    ) -> results.StyleTransferResult:
        """Stylises one picture; arguments and result are those of `stylize`."""
        with self._lock:
            started = time.perf_counter()
            pictures = inputs.read(content, style, self.config)
            for note in pictures.notes:
                on_message(note)
            stages = schedule.stages(self.config, pictures.content.height_px, pictures.content.width_px)
            budget_bytes = self._budget_bytes(checkpoints)
            plans = self._plans(stages, budget_bytes)  # before the network loads: what does not fit is refused at once
            if self.config.initialisation == "adain":
                pictures = pictures._replace(start=adain_transfer.start(pictures, self.config, on_message))
            if self._network is None:
                networks = self._networks or SharedNetworks(self.config.layers)
                self._network = networks.network(self.config, on_message)
            network = self._network
            on_message(self._described(stages, plans, network))
            resumed = None
            if checkpoints:
                run = identity.of(self.config, pictures, policy=network.policy, weights=network.weights)
                resumed = checkpoints.begin(run, [stage.steps for stage in stages], budget_bytes, on_message)
            spent_s = resumed.position.seconds if resumed else 0.0
            steps = loop.Loop(
                stages,
                self.config.snapshot_interval,
                on_report,
                on_message,
                work=[plan.step_flop for plan in plans],
                patience=self.config.patience,
                min_improvement=self.config.min_improvement,
                deadline=started + self.config.time_budget_s - spent_s if self.config.time_budget_s else None,
                checkpoints=checkpoints,
                resumed=resumed,
            )
            self._optimizers = {key: self._optimizers[key] for key in map(_key, plans) if key in self._optimizers}
            image: Any = None
            for stage, plan in list(zip(stages, plans, strict=True))[steps.stage :]:
                image, best_loss, diverged = self._run_stage(network, stage, plan, pictures, image, steps)
                if steps.stopped or diverged:
                    break
            losses = loop.fetched(steps.history)
            diverged_at_step = _best_step(losses["total"]) + 1 if diverged else None
            if diverged_at_step:
                on_message(
                    f"the run diverged at step {diverged_at_step}: the objective left its best value {best_loss:.4g} "
                    f"and ended at {losses['total'][-1]:.4g}. The best picture is kept. Lower --learning_rate."
                )
            return results.StyleTransferResult(
                image=_at_size(image.numpy(), pictures.content.height_px, pictures.content.width_px),
                alpha=pictures.content.alpha,
                losses=losses,
                config=self.config,
                best_loss=best_loss,
                steps=len(steps.history),
                stages=tuple(stage._asdict() for stage in stages),
                stopped_early=steps.stopped,
                ended_by=tuple(steps.ended_by),
                diverged_at_step=diverged_at_step,
                seconds=time.perf_counter() - started + spent_s,
                seconds_to_first_step=(steps.first_step_done or started) - started,
                seconds_per_step=steps.seconds_per_step,
                resumed_after_steps=steps.resumed_after_steps,
                precision=network.policy,
                network=network.weights,
                inputs=pictures.identities,
            )

    def _budget_bytes(self, checkpoints: checkpoint.Checkpoints | None) -> float:
        """What the process may hold. A run that is resumed keeps its budget, and so its plans."""
        if checkpoints and checkpoints.budget_bytes is not None:
            return checkpoints.budget_bytes
        if self.config.memory_budget_mb:
            return float(self.config.memory_budget_mb * memory_plan.MIB)
        if tf.config.list_physical_devices("GPU"):
            return math.inf
        return memory_plan.AUTO_SHARE * memory_plan.available_bytes()

    def _plans(self, stages: Sequence[schedule.Stage], budget_bytes: float) -> list[memory_plan.Plan]:
        """How each size is fitted into memory."""
        policy = self._network.policy if self._network else precision.resolve(self.config.precision)[0]
        return [
            memory_plan.plan(
                self.config, policy, stage.height_px, stage.width_px, budget_bytes, can_tile=self._can_tile
            )
            for stage in stages
        ]

    def _described(self, stages: Sequence[schedule.Stage], plans: Sequence[memory_plan.Plan], network: Network) -> str:
        """What the user is told before the start: the sizes, how they are computed, memory and time."""
        text = "plan: " + "; ".join(plan.describe(self.config) for plan in plans)
        if not network.weights:  # a caller's own network, whose work is not known
            return text
        flop = sum(stage.steps * plan.step_flop for stage, plan in zip(stages, plans, strict=True))
        seconds = flop / precision.flop_per_s(network.policy)
        return f"{text}; about {seconds / 60:.0f} min" if seconds > 90 else f"{text}; about {seconds:.0f} s"

    def _run_stage(
        self,
        network: Network,
        stage: schedule.Stage,
        plan: memory_plan.Plan,
        pictures: inputs.Inputs,
        image: Any,
        steps: loop.Loop,
    ) -> tuple[tf.Tensor, float, bool]:
        """Optimises at one size, from the image of the size before: (the best image, its objective, diverged)."""
        objective = network.objective
        if plan.is_tiled:
            objective = tiling.TiledObjective(
                extractor=objective.extractor,
                config=self.config,
                tile_height_px=plan.tile_height_px,
                tile_width_px=plan.tile_width_px,
            )
        stride = memory_plan.stride_px(self.config.layers)
        height, width = stage.height_px, stage.width_px
        targets = _targets(objective, pictures, stage, stride)
        if image is None:
            start = start_image(self.config, pictures, height, width)
        else:
            start = tf.clip_by_value(tf.image.resize(image, [height, width], "bicubic"), 0.0, 1.0)
        start = schedule.padded(start, stride)
        optimizer = self._optimizer_for(start.shape, objective, plan)
        optimizer.start(start)
        del start  # as large as the picture
        loss_scale = 1.0
        if network.policy == _FLOAT16:  # where the optimiser starts: L-BFGS moves it off black and white
            loss_scale = precision.loss_scale(objective.terms_and_gradient, optimizer.best_image, targets)
        if self.config.averaging:
            optimizer = optimizers.Averaged(optimizer, self.config.averaging)
        first_step = len(steps.history)
        try:
            steps.run(
                optimizer,
                targets,
                tf.constant(loss_scale),
                stage.steps,
                lambda: optimizer.best_image[:, :height, :width].numpy(),
            )
        except tf.errors.ResourceExhaustedError as error:
            raise errors.NstError(
                f"there is not enough memory for {width} x {height} px. Set memory_budget_mb below what there is, "
                "or use a smaller max_side_px (--size) or optimizer=adam."
            ) from error
        best_loss = float(optimizer.best_loss)
        first_gradient_norm = float(loop.named(steps.history[first_step])["gradient_norm"][0])
        if not np.isfinite([best_loss, first_gradient_norm]).all():
            raise errors.NstError(
                "the objective or its gradient is not a finite number at the start. Try --precision=float32 or other "
                "weights."
            )
        last_loss = float(steps.history[-1].total[0])
        diverged = not optimizer.recovers and not last_loss <= DIVERGED * best_loss  # true for NaN, too
        best_image = optimizer.best_image
        if self.config.averaging:
            best_loss = float(objective.terms(best_image, targets).total[0])
        optimizer.release()
        return best_image[:, :height, :width], best_loss, diverged

    def _optimizer_for(self, shape: tf.TensorShape, objective: objectives.Objective, plan: memory_plan.Plan) -> Any:
        """The optimiser of a plan. Adam's variables have a shape; one L-BFGS graph serves every shape."""
        kept = self._optimizers.get(_key(plan))
        if kept is None or not kept.serves(shape):
            kept = optimizers.BY_NAME[self.config.optimizer](
                objective.terms_and_gradient,
                shape,
                dataclasses.replace(self.config, lbfgs_memory=plan.lbfgs_memory),
                jit_compile=precision.resolve_xla(self.config.xla) and not plan.is_tiled,  # XLA needs fixed shapes
            )
            self._optimizers[_key(plan)] = kept
        return kept


def _key(plan: memory_plan.Plan) -> tuple[int, ...]:
    """Plans with the same key share an optimiser and its graph."""
    tile = (plan.tile_height_px, plan.tile_width_px) if plan.is_tiled else ()
    return (plan.lbfgs_memory, *tile)


def _targets(
    objective: objectives.Objective, pictures: inputs.Inputs, stage: schedule.Stage, stride: int
) -> objectives.Targets:
    """The targets of one size. The scaled pictures go with this function's end."""
    content = tf.constant(_at_size(pictures.content.pixels, stage.height_px, stage.width_px))
    scale = stage.height_px / pictures.content.height_px
    styles = [tf.constant(_scaled(picture.pixels, scale)) for picture in pictures.styles]
    return objective.targets(schedule.padded(content, stride), styles)


@functools.lru_cache(maxsize=1)
def _shared_engine(config: configs.StyleTransferConfig) -> StyleTransfer:
    """Lets calls of `stylize` in a row with one configuration load and trace once."""
    return StyleTransfer(config)


def start_image(
    config: configs.StyleTransferConfig, pictures: inputs.Inputs, height_px: int, width_px: int
) -> tf.Tensor:
    """The image the optimisation begins at, [1, height_px, width_px, 3] in [0, 1]."""
    if config.initialisation == "noise":
        shape = [1, height_px, width_px, 3]
        noise = tf.random.stateless_normal(shape, [config.seed, 0], 0.5, config.noise_stddev)
        return tf.clip_by_value(noise, 0.0, 1.0)
    start = pictures.styles[0] if config.initialisation == "style" else pictures.start or pictures.content
    return tf.constant(images.resize(start.pixels, height_px, width_px))


def _scaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    """Pixels at a fraction of their size."""
    height, width = pixels.shape[1:3]
    return _at_size(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _at_size(pixels: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Pixels resampled; themselves, not copied, where they have that size: for what only reads them."""
    if pixels.shape[1:3] == (height_px, width_px):
        return pixels
    return images.resize(pixels, height_px, width_px)


def _best_step(totals: np.ndarray) -> int:
    """The step of the lowest objective, counted from 1."""
    return int(np.argmin(np.where(np.isfinite(totals), totals, np.inf))) + 1
