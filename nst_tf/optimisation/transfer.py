"""stylize(): the main path, from two pictures and a configuration to a stylised one."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, engine_lock, errors, files, machine, messages, precision, results
from nst_tf.losses import objective as objectives
from nst_tf.losses import on_vgg19
from nst_tf.networks import one_pass
from nst_tf.optimisation import checkpoint, fine_structure, identity, keeping, loop, memory_plan, optimizers, stages
from nst_tf.pictures import controls, guided_filter, inputs, masks, transparency
from nst_tf.vgg import forms
from nst_tf.weights import known_styles, vgg19

# What neither the network nor the graph of a step depends on.
_NOT_TRACED = (
    "preset", "quality", "max_side_px", "style_max_side_px", "style_blend", "colours", "colour_map", "propagation",
    "fine_style", "initialisation", "seed", "noise_stddev", "steps", "scales", "coarse_steps", "coarse_growth",
    "content_detail", "grain", "patience", "min_improvement", "min_change_levels", "time_budget_s", "averaging",
    "memory_budget_mb", "snapshot_interval", "guided_filter_radius", "guided_filter_epsilon", "full_size",
)  # fmt: skip
Finished = Callable[[np.ndarray], np.ndarray]  # an image of the network's -> as the user is to have it
_WEIGHTS = ("content_weight", "style_weight")  # nor these, where an engine keeps them in variables


def stylize(
    content: inputs.Source,
    style: inputs.Source | Sequence[inputs.Source],
    config: configs.StyleTransferConfig | str | None = None,
    *,
    style_masks: Sequence[inputs.Source] = (),
    style_own_masks: Sequence[inputs.Source] = (),
    keep_mask: inputs.Source | None = None,
    extractor: Any = None,
    objective: objectives.Objective | None = None,
    checkpoints: checkpoint.Checkpoints | None = None,
    on_report: results.OnReport | None = None,
    on_message: messages.OnMessage = messages.log,
) -> results.StyleTransferResult:
    """Renders the content of one picture in the style of another.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8, or
            floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; it is never scaled up.
        style: the same, or a list or tuple of several.
        config: the settings, or a preset's name; the preset `default` when left out.
        style_masks: none, or one such picture for each style: white where the style goes, black where not. What none of
            them covers keeps its content.
        style_own_masks: none, or one for each style picture: white where its style is taken from.
        keep_mask: a picture that is white where the content stays as it is; soft edges blend.
        extractor: a feature extractor to use in place of the one that config describes, as
            `vgg.feature_extractor` builds.
        objective: an objective to use in place of eq. 7 on the extractor, such as one with terms of your own.
        checkpoints: where the run is saved so that a killed one can resume, and what it continues; remove it once the
            result is saved.
        on_report: called with a `Report` after the first step, then about twice a second, at each snapshot and at the
            end. It may raise `StopStylizing` to end the run with the picture so far.
        on_message: called with lines worth telling the user, such as where the weights came from.

    Returns:
        The picture, its loss history and how it was made.

    Raises:
        NstError: a picture, setting or network is unusable; the message says how to fix it.
    """
    config = configs.as_config(config, configs.StyleTransferConfig)
    is_named = config.weights in vgg19.SOURCES  # a file may change between two calls
    if extractor is None and objective is None and is_named:
        engine = _shared_engine(config)
        if engine.lock.is_held_here:  # called from a callback of a run with the same settings
            engine = StyleTransfer(config)
    else:
        engine = StyleTransfer(config, extractor=extractor, objective=objective)
    return engine(
        content,
        style,
        style_masks=style_masks,
        style_own_masks=style_own_masks,
        keep_mask=keep_mask,
        checkpoints=checkpoints,
        on_report=on_report,
        on_message=on_message,
    )


class StyleTransfer:
    """A configuration made ready: network, objective and traced step, reused from picture to picture.

    Building it does no work; the first call loads the network. Calls from several threads wait for each other. The
    arguments are those of `stylize`; networks lets several configurations share one network, adjustable lets
    `reconfigure` change the weights of content and style.
    """

    def __init__(
        self,
        config: configs.StyleTransferConfig | str | None = None,
        *,
        extractor: Any = None,
        objective: objectives.Objective | None = None,
        networks: on_vgg19.SharedNetworks | None = None,
        adjustable: bool = False,
    ) -> None:
        self.config = configs.as_config(config, configs.StyleTransferConfig)
        self._network: on_vgg19.Network | None = None
        self._networks = networks or on_vgg19.SharedNetworks(self.config.layers)
        self._extractor = extractor if objective is None else objective.extractor
        self._has_own_objective = objective is not None
        self._adjustable = adjustable
        self._can_tile = objective is None or objective.can_tile
        if extractor is not None and objective is None:
            objective = objectives.Objective(extractor=extractor, config=self.config)
        if objective is not None:
            self._network = self._with_weights(on_vgg19.Network(objective, "as given", {}))
        self._optimizers: dict[tuple[int, ...], optimizers.Startable] = {}  # by Stage.key, those of the last picture
        self.lock = engine_lock.EngineLock()

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        style_masks: Sequence[inputs.Source] = (),
        style_own_masks: Sequence[inputs.Source] = (),
        keep_mask: inputs.Source | None = None,
        start: inputs.Source | None = None,
        checkpoints: checkpoint.Checkpoints | None = None,
        on_report: results.OnReport | None = None,
        on_message: messages.OnMessage = messages.log,
    ) -> results.StyleTransferResult:
        """Stylises one picture; start is what to begin with where config.initialisation is `content`.

        The other arguments and the result are those of `stylize`.
        """
        with self.lock:
            started = time.perf_counter()
            files.ensure_temporary_folder()
            given = masks.Given(style_masks, style_own_masks, keep_mask)
            known_styles.check_pictures(style)
            read = masks.read(inputs.read(content, style, self.config), given, self.config.style_blend)
            if self.config.strength and start is None and self._leaves_nothing_to_transfer(read):
                return self._with_strength_0(read, checkpoints, on_report, on_message)
            if start is not None:
                read = read._replace(start=inputs.read_picture(start, "start", self.config.max_side_px))
            read = transparency.straightened(read)
            for note in read.notes:
                on_message(note)
            if self.config.fine_style:
                read = self._with_fine_structure(read, on_message)
            pictures = controls.before(read, self.config)
            budget_bytes = self._budget_bytes(checkpoints)
            held_bytes = read.photograph.pixels.nbytes if read.photograph else 0
            planned = self._planned(pictures, budget_bytes - held_bytes)  # what does not fit is refused at once
            if self.config.initialisation == "adain":
                pictures = pictures._replace(start=one_pass.start(pictures, self.config, on_message))
            network = self._loaded(checkpoints, on_message)
            on_message(stages.described(planned, self.config, network))
            resumed = None
            if checkpoints:
                run = identity.of(
                    self.config,
                    pictures,
                    policy=network.policy,
                    convolution=network.convolution,
                    weights=network.weights,
                )
                resumed = checkpoints.begin(run, [stage.steps for stage in planned], budget_bytes, on_message)
            steps = loop.Loop(
                planned,
                network.objective.names,
                self.config,
                started=started,
                on_report=on_report,
                on_message=on_message,
                checkpoints=checkpoints,
                resumed=resumed,
            )

            def finished(image: np.ndarray, *, full_size: bool = False) -> np.ndarray:
                """An image of the network's as the user is to have it."""
                image = stages.with_own_extremes(image, pictures.content, self.config)
                photograph = pictures.photograph.pixels if full_size and pictures.photograph else None
                image = guided_filter.of_photograph(image, pictures.content.pixels, self.config, photograph=photograph)
                return controls.after(image, read.photograph or read.content, self.config)

            outcome = self._run(network, planned, pictures, steps, finished)
            image = inputs.at_size(outcome.image.numpy(), *read.content.pixels.shape[1:3])
            image = finished(image, full_size=True)
            changed = outcome.image.shape != image.shape or self.config.guided_filter_radius or self.config.strength < 1
            if changed:  # also what was kept
                image = controls.with_kept(
                    image, read.photograph or read.content, masks.kept(read, with_uncovered=True)
                )
            return self._result(network, planned, read, steps, outcome, image, started, on_message)

    def can_take(self, config: configs.StyleTransferConfig) -> bool:
        """Whether `reconfigure` takes a configuration: one with the same `traced` as the engine's own."""
        return traced(config, adjustable=self._adjustable) == traced(self.config, adjustable=self._adjustable)

    def reconfigure(self, config: configs.StyleTransferConfig) -> None:
        """Takes other settings for the pictures to come; what was loaded and traced is kept.

        Args:
            config: one that `can_take` accepts.
        """
        if not self.can_take(config):
            raise ValueError(f"an engine keeps its network and its traced steps. Received: {config}, not {self.config}")
        with self.lock:
            self.config = config
            if self._network:
                goal = dataclasses.replace(self._network.objective, config=config)
                if self._adjustable:
                    objectives.adjust(goal)
                self._network = self._network._replace(objective=goal)

    def _leaves_nothing_to_transfer(self, pictures: inputs.Inputs) -> bool:
        """Whether every style is the content itself and the run starts there: then every strength has one target."""
        starts_there = self.config.initialisation in ("content", "style")
        if self._has_own_objective or not starts_there or self.config.fine_style or pictures.own_masks:
            return False
        return all(np.array_equal(style.pixels, pictures.content.pixels) for style in pictures.styles)

    def _with_strength_0(
        self,
        pictures: inputs.Inputs,
        checkpoints: checkpoint.Checkpoints | None,
        on_report: results.OnReport | None,
        on_message: messages.OnMessage,
    ) -> results.StyleTransferResult:
        """The run whose target is the same, and which neither smooths the picture nor blurs it between two sizes."""
        on_message(f"{pictures.content.name}: content and style are one picture, which comes back")
        config = dataclasses.replace(self.config, strength=0.0)
        engine = StyleTransfer(config, extractor=self._extractor, networks=self._networks)
        result = engine(
            pictures.photograph or pictures.content,
            pictures.styles,
            style_masks=pictures.masks,
            keep_mask=pictures.keep,
            checkpoints=checkpoints,
            on_report=on_report,
            on_message=on_message,
        )
        return dataclasses.replace(result, config=self.config)

    def _with_fine_structure(self, pictures: inputs.Inputs, on_message: messages.OnMessage) -> inputs.Inputs:
        """The pictures with the fine structure of config.fine_style in each style."""
        styles = []
        for style in pictures.styles:
            config = fine_structure.config_of(self.config, style)
            side_px = max(style.height_px, style.width_px)
            fine = transparency.straight(inputs.read_picture(self.config.fine_style, "fine style", side_px))
            on_message(f"{style.name}: taking the fine structure of {fine.name}")
            engine = StyleTransfer(config, extractor=self._extractor, networks=self._networks)
            plain = dataclasses.replace(style, alpha=None)
            styles.append(fine_structure.mixed(style, fine, engine(plain, fine, on_message=on_message).image))
        return pictures._replace(styles=tuple(styles))

    def _budget_bytes(self, checkpoints: checkpoint.Checkpoints | None) -> float:
        """What the process may hold. A run that is resumed keeps its budget, and so its plans."""
        if checkpoints and checkpoints.budget_bytes is not None:
            return checkpoints.budget_bytes
        if self.config.memory_budget_mb:
            return float(self.config.memory_budget_mb * memory_plan.MIB)
        if tf.config.list_physical_devices("GPU"):
            return math.inf
        return memory_plan.AUTO_SHARE * machine.available_bytes()

    def _planned(self, pictures: inputs.Inputs, budget_bytes: float) -> tuple[stages.Stage, ...]:
        """The stages of a run."""
        policy = self._network.policy if self._network else precision.resolve(self.config.precision)[0]
        size = (pictures.content.height_px, pictures.content.width_px)
        named = self._network.objective.named_terms if self._network else objectives.terms_of(self.config)
        return stages.planned(
            self.config,
            policy,
            *size,
            budget_bytes,
            can_tile=self._can_tile,
            regions=stages.regions(pictures, named),
            keeps=masks.kept(pictures, with_uncovered=True) is not None,
        )

    def _loaded(self, checkpoints: checkpoint.Checkpoints | None, on_message: messages.OnMessage) -> on_vgg19.Network:
        """The network, loaded at the first call. A run that is resumed keeps the form of its convolutions."""
        if self._network is None:
            config = self.config
            if checkpoints and checkpoints.convolution in forms.FORMS and config.convolution == "auto":
                config = dataclasses.replace(config, convolution=checkpoints.convolution)
            self._network = self._with_weights(self._networks.network(config, on_message))
        return self._network

    def _with_weights(self, network: on_vgg19.Network) -> on_vgg19.Network:
        """The network's objective with weights that can be changed, where this engine is to have them."""
        return network._replace(objective=objectives.adjustable(network.objective)) if self._adjustable else network

    def _run(
        self,
        network: on_vgg19.Network,
        planned: Sequence[stages.Stage],
        pictures: inputs.Inputs,
        steps: loop.Loop,
        finished: Finished,
    ) -> stages.Outcome:
        """Takes the stages that are left, one after the other; returns what the last of them came to."""
        keys = {stage.key for stage in planned}
        self._optimizers = {key: optimizer for key, optimizer in self._optimizers.items() if key in keys}
        outcome = None
        for stage in planned[steps.stage :]:
            outcome = self._run_stage(network, stage, pictures, outcome.image if outcome else None, steps, finished)
            if steps.stopped or outcome.diverged:
                break
        assert outcome is not None  # a run has at least one stage, and a finished run is not resumed
        return outcome

    def _run_stage(
        self,
        network: on_vgg19.Network,
        stage: stages.Stage,
        pictures: inputs.Inputs,
        before: tf.Tensor | None,
        steps: loop.Loop,
        finished: Finished,
    ) -> stages.Outcome:
        """Optimises at one size, from the image of the size before."""
        goal = stages.objective(network.objective, stage)
        targets = stages.targets(goal, pictures, stage)
        optimizer = self._started_optimizer(goal, stage, stages.start(self.config, pictures, stage, before))
        loss_scale = stages.loss_scale(network.policy, goal, optimizer, targets)
        averaged = stages.averaged(self.config, optimizer)
        first_step = len(steps.history)
        try:
            steps.run(
                averaged,
                targets,
                loss_scale,
                stage.steps,
                lambda: finished(
                    keeping.seen(averaged.best_image, targets)[:, : stage.height_px, : stage.width_px].numpy()
                ),
            )
        except tf.errors.ResourceExhaustedError as error:
            fix = "Set memory_budget_mb below what there is, or use a smaller max_side_px (--size) or optimizer=adam."
            raise errors.not_enough_memory(stage.width_px, stage.height_px, fix) from error
        outcome = stages.outcome(goal, targets, stage, averaged, steps.history[first_step:])
        optimizer.release()
        return outcome

    def _started_optimizer(
        self, goal: objectives.Objective, stage: stages.Stage, start: tf.Tensor
    ) -> optimizers.Startable:
        """The optimiser of a stage. Adam's variables have a shape; one L-BFGS graph works for every shape."""
        kept = self._optimizers.get(stage.key)
        if kept is None or not kept.fits(start.shape):
            kept = stages.new_optimizer(self.config, goal, stage, start.shape)
            self._optimizers[stage.key] = kept
        kept.start(start)
        return kept

    def _result(
        self,
        network: on_vgg19.Network,
        planned: Sequence[stages.Stage],
        pictures: inputs.Inputs,
        steps: loop.Loop,
        outcome: stages.Outcome,
        image: np.ndarray,
        started: float,
        on_message: messages.OnMessage,
    ) -> results.StyleTransferResult:
        """What the run gives; a run that diverged says so."""
        losses = loop.fetched(steps.history)
        diverged_at_step = _best_step(losses["total"]) + 1 if outcome.diverged else None
        if diverged_at_step:
            on_message(
                f"the run diverged at step {diverged_at_step}: the objective left its best value "
                f"{outcome.best_loss:.4g} and ended at {losses['total'][-1]:.4g}. The best picture is kept. Lower "
                "--learning_rate."
            )
        return results.StyleTransferResult(
            image=image,
            alpha=(pictures.photograph or pictures.content).alpha,
            losses=losses,
            config=self.config,
            best_loss=outcome.best_loss,
            steps=len(steps.history),
            stages=tuple(stage.recorded() for stage in planned),
            stopped_early=steps.stopped,
            ended_by=tuple(steps.position.ended_by),
            diverged_at_step=diverged_at_step,
            seconds=steps.seconds,
            seconds_to_first_step=(steps.clock.first_step_done or started) - started,
            seconds_per_step=steps.clock.seconds_per_step,
            resumed_after_steps=tuple(steps.position.resumed_after_steps),
            precision=network.policy,
            convolution=network.convolution,
            network=network.weights,
            inputs=pictures.identities,
        )


def traced(config: configs.StyleTransferConfig, *, adjustable: bool = False) -> tuple[Any, ...]:
    """What the network and the traced steps of an engine depend on: equal for configurations that can share one."""
    free = _NOT_TRACED + (_WEIGHTS if adjustable else ())
    names = (field.name for field in dataclasses.fields(config))
    return tuple(getattr(config, name) for name in names if name not in free)


@functools.lru_cache(maxsize=1)
def _shared_engine(config: configs.StyleTransferConfig) -> StyleTransfer:
    """Lets calls of `stylize` in a row with one configuration load and trace once."""
    return StyleTransfer(config)


def _best_step(totals: np.ndarray) -> int:
    """The step of the lowest objective, counted from 1."""
    return int(np.argmin(np.where(np.isfinite(totals), totals, np.inf))) + 1
