"""stylize(): the main path, from two pictures and a configuration to a stylised one."""

import dataclasses
import functools
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, machine, messages, precision, results, vgg
from nst_tf.losses import objective as objectives
from nst_tf.losses import on_vgg19, tiled_objective
from nst_tf.networks import one_pass
from nst_tf.optimisation import averaging, checkpoint, identity, loop, memory_plan, schedule, stages
from nst_tf.pictures import inputs
from nst_tf.weights import vgg19

# What neither the network nor the graph of a step depends on.
_NOT_TRACED = (
    "preset", "max_side_px", "style_max_side_px", "style_blend", "initialisation", "seed", "noise_stddev", "steps",
    "scales", "coarse_steps", "patience", "min_improvement", "time_budget_s", "averaging", "memory_budget_mb",
    "snapshot_interval",
)  # fmt: skip
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
    on_message: messages.OnMessage = messages.log,
) -> results.StyleTransferResult:
    """Renders the content of one picture in the style of another.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8, or
            floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; it is never scaled up.
        style: the same, or a list or tuple of several.
        config: the settings; the preset `default` when left out.
        extractor: a feature extractor to use in place of the one that config describes, as
            `vgg.feature_extractor` builds.
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
    is_named = config.weights in vgg19.SOURCES  # a file may change between two calls
    if extractor is None and objective is None and is_named:
        engine = _shared_engine(config)
    else:
        engine = StyleTransfer(config, extractor=extractor, objective=objective)
    return engine(content, style, checkpoints=checkpoints, on_report=on_report, on_message=on_message)


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
        networks: on_vgg19.SharedNetworks | None = None,
    ) -> None:
        self.config = configs.StyleTransferConfig() if config is None else config
        self._network: on_vgg19.Network | None = None
        self._networks = networks
        self._can_tile = objective is None
        if extractor is not None and objective is None:
            objective = objectives.Objective(extractor=extractor, config=self.config)
        if objective is not None:
            self._network = on_vgg19.Network(objective, "as given", {})
        self._optimizers: dict[tuple[int, ...], Any] = {}  # by tile and lbfgs_memory, those of the last picture
        self._lock = threading.Lock()

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        checkpoints: checkpoint.Checkpoints | None = None,
        on_report: loop.OnReport | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> results.StyleTransferResult:
        """Stylises one picture; arguments and result are those of `stylize`."""
        with self._lock:
            started = time.perf_counter()
            pictures = inputs.read(content, style, self.config)
            for note in pictures.notes:
                on_message(note)
            sizes = schedule.stages(self.config, pictures.content.height_px, pictures.content.width_px)
            budget_bytes = self._budget_bytes(checkpoints)
            plans = self._plans(sizes, budget_bytes)  # before the network loads: what does not fit is refused at once
            if self.config.initialisation == "adain":
                pictures = pictures._replace(start=one_pass.start(pictures, self.config, on_message))
            if self._network is None:
                networks = self._networks or on_vgg19.SharedNetworks(self.config.layers)
                self._network = networks.network(self.config, on_message)
            network = self._network
            on_message(self._described(sizes, plans, network))
            resumed = None
            if checkpoints:
                run = identity.of(self.config, pictures, policy=network.policy, weights=network.weights)
                resumed = checkpoints.begin(run, [stage.steps for stage in sizes], budget_bytes, on_message)
            spent_s = resumed.position.seconds if resumed else 0.0
            steps = loop.Loop(
                sizes,
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
            for stage, plan in list(zip(sizes, plans, strict=True))[steps.stage :]:
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
                image=inputs.at_size(image.numpy(), pictures.content.height_px, pictures.content.width_px),
                alpha=pictures.content.alpha,
                losses=losses,
                config=self.config,
                best_loss=best_loss,
                steps=len(steps.history),
                stages=tuple(stage._asdict() for stage in sizes),
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

    def reconfigure(self, config: configs.StyleTransferConfig) -> None:
        """Takes other settings for the pictures to come; what was loaded and traced is kept.

        Args:
            config: of the same `traced`.
        """
        if traced(config) != traced(self.config):
            raise ValueError(f"an engine keeps its network and its traced steps. Received: {config}, not {self.config}")
        with self._lock:
            self.config = config
            if self._network:
                goal = dataclasses.replace(self._network.objective, config=config)
                self._network = self._network._replace(objective=goal)

    def _budget_bytes(self, checkpoints: checkpoint.Checkpoints | None) -> float:
        """What the process may hold. A run that is resumed keeps its budget, and so its plans."""
        if checkpoints and checkpoints.budget_bytes is not None:
            return checkpoints.budget_bytes
        if self.config.memory_budget_mb:
            return float(self.config.memory_budget_mb * memory_plan.MIB)
        if tf.config.list_physical_devices("GPU"):
            return math.inf
        return memory_plan.AUTO_SHARE * machine.available_bytes()

    def _plans(self, sizes: Sequence[schedule.Stage], budget_bytes: float) -> list[memory_plan.Plan]:
        """How each size is fitted into memory."""
        policy = self._network.policy if self._network else precision.resolve(self.config.precision)[0]
        return [
            memory_plan.plan(
                self.config, policy, stage.height_px, stage.width_px, budget_bytes, can_tile=self._can_tile
            )
            for stage in sizes
        ]

    def _described(
        self, sizes: Sequence[schedule.Stage], plans: Sequence[memory_plan.Plan], network: on_vgg19.Network
    ) -> str:
        """What the user is told before the start: the sizes, how they are computed, memory and time."""
        text = "plan: " + "; ".join(plan.describe(self.config) for plan in plans)
        if not network.weights:  # a caller's own network, whose work is not known
            return text
        flop = sum(stage.steps * plan.step_flop for stage, plan in zip(sizes, plans, strict=True))
        seconds = flop / machine.flop_per_s(network.policy)
        return f"{text}; about {seconds / 60:.0f} min" if seconds > 90 else f"{text}; about {seconds:.0f} s"

    def _run_stage(
        self,
        network: on_vgg19.Network,
        stage: schedule.Stage,
        plan: memory_plan.Plan,
        pictures: inputs.Inputs,
        image: Any,
        steps: loop.Loop,
    ) -> tuple[tf.Tensor, float, bool]:
        """Optimises at one size, from the image of the size before: (the best image, its objective, diverged)."""
        objective = network.objective
        if plan.is_tiled:
            objective = tiled_objective.TiledObjective(
                extractor=objective.extractor,
                config=self.config,
                tile_height_px=plan.tile_height_px,
                tile_width_px=plan.tile_width_px,
            )
        stride = vgg.stride_px(*self.config.layers)
        height, width = stage.height_px, stage.width_px
        targets = stages.targets(objective, pictures, stage, stride)
        if image is None:
            start = stages.start_image(self.config, pictures, height, width)
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
            optimizer = averaging.Averaged(optimizer, self.config.averaging)
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
            kept = stages.OPTIMIZERS[self.config.optimizer](
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


def traced(config: configs.StyleTransferConfig) -> configs.StyleTransferConfig:
    """The same for every configuration that one engine may take: only what its network and traced steps depend on."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{name: defaults[name] for name in _NOT_TRACED})


@functools.lru_cache(maxsize=1)
def _shared_engine(config: configs.StyleTransferConfig) -> StyleTransfer:
    """Lets calls of `stylize` in a row with one configuration load and trace once."""
    return StyleTransfer(config)


def _best_step(totals: np.ndarray) -> int:
    """The step of the lowest objective, counted from 1."""
    return int(np.argmin(np.where(np.isfinite(totals), totals, np.inf))) + 1
