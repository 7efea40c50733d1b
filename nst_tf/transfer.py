"""stylize(): the main path, from two pictures and a configuration to a stylised one."""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from nst_tf import configs, errors, images, inputs, optimizers, precision, results, vgg, weights
from nst_tf import objective as objectives

REPORT_INTERVAL_S = 0.5  # the losses are fetched from the device at most this often
DIVERGED = 2.0  # the last objective over the best one from which a run counts as diverged
WEIGHTED_TERMS = ("total", "content", "style", "total_variation")

OnReport = Callable[[results.Report], None]
OnMessage = Callable[[str], None]


def stylize(
    content: inputs.Source,
    style: inputs.Source | Sequence[inputs.Source],
    config: configs.StyleTransferConfig | None = None,
    *,
    extractor: Any = None,
    objective: objectives.Objective | None = None,
    on_report: OnReport | None = None,
    on_message: OnMessage = logging.info,
) -> results.StyleTransferResult:
    """Renders the content of one picture in the style of another.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor [H, W, 3] or [1, H, W, 3] (uint8, or
            floats in [0, 1], sRGB). Larger than config.max_side_px, it is scaled down; it is never scaled up.
        style: the same, or a list or tuple of several.
        config: the settings; the preset `default` when left out.
        extractor: a feature extractor to use in place of the one that config describes, as `vgg.extractor` builds.
        objective: an objective to use in place of eq. 7 on the extractor.
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
    return engine(content, style, on_report=on_report, on_message=on_message)


class Network(NamedTuple):
    """An objective on its network, and what to record of them."""

    objective: objectives.Objective
    policy: str  # Keras dtype policy; "as given" where an extractor was given
    weights: dict[str, str]  # network, source, sha256, licence


class StyleTransfer:
    """A configuration made ready: network, objective and traced step, reused from picture to picture.

    Building it does no work; the first call loads the network. Calls from several threads wait for each other. The
    arguments are those of `stylize`.
    """

    def __init__(
        self,
        config: configs.StyleTransferConfig | None = None,
        *,
        extractor: Any = None,
        objective: objectives.Objective | None = None,
    ) -> None:
        self.config = configs.StyleTransferConfig() if config is None else config
        self._network: Network | None = None
        if extractor is not None and objective is None:
            objective = objectives.Objective(extractor=extractor, config=self.config)
        if objective is not None:
            self._network = Network(objective, "as given", {})
        self._optimizer: Any = None
        self._loss_scale = 1.0
        self._lock = threading.Lock()

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        on_report: OnReport | None = None,
        on_message: OnMessage = logging.info,
    ) -> results.StyleTransferResult:
        """Stylises one picture; arguments and result are those of `stylize`."""
        with self._lock:
            started = time.perf_counter()
            pictures = inputs.read(content, style, self.config)
            start = start_image(self.config, pictures)
            for note in pictures.notes:
                on_message(note)
            if self._network is None:
                self._network = _load_network(self.config, on_message)
            network = self._network
            targets = network.objective.targets(
                tf.constant(pictures.content.pixels), [tf.constant(picture.pixels) for picture in pictures.styles]
            )
            if network.policy == "mixed_float16":
                self._loss_scale = precision.loss_scale(network.objective.terms_and_gradient, start, targets)
            optimizer = self._optimizer_for(start.shape, network.objective)
            optimizer.start(start)
            run = _run(optimizer, targets, tf.constant(self._loss_scale), self.config, on_report, on_message)
            best_loss = float(optimizer.best_loss)
            if not np.isfinite(best_loss):
                raise errors.NstError(
                    "the objective is not a finite number at the start. Try --precision=float32 or other weights."
                )
            losses = _fetched(run.history)
            diverged_at_step = None if optimizer.recovers else _diverged_at(losses["total"], best_loss)
            if diverged_at_step:
                on_message(
                    f"the run diverged at step {diverged_at_step}: the objective left its best value {best_loss:.4g} "
                    f"and ended at {losses['total'][-1]:.4g}. The best picture is kept. Lower --learning_rate."
                )
            return results.StyleTransferResult(
                image=optimizer.best_image.numpy(),
                alpha=pictures.content.alpha,
                losses=losses,
                config=self.config,
                best_loss=best_loss,
                steps=len(run.history),
                stopped_early=run.stopped_early,
                diverged_at_step=diverged_at_step,
                seconds=time.perf_counter() - started,
                seconds_to_first_step=run.times[0] - started,
                seconds_per_step=_mean_interval(run.times),
                precision=network.policy,
                network=network.weights,
                inputs=pictures.identities,
            )

    def _optimizer_for(self, shape: tf.TensorShape, objective: objectives.Objective) -> Any:
        """The optimiser of the configuration. Adam's variables have a shape; one L-BFGS graph serves every shape."""
        kind = optimizers.BY_NAME[self.config.optimizer]
        if self._optimizer is None or not self._optimizer.serves(shape):
            self._optimizer = kind(
                objective.terms_and_gradient, shape, self.config, jit_compile=precision.resolve_xla(self.config.xla)
            )
        return self._optimizer


@functools.lru_cache(maxsize=1)
def _shared_engine(config: configs.StyleTransferConfig) -> StyleTransfer:
    """Lets calls of `stylize` in a row with one configuration load and trace once."""
    return StyleTransfer(config)


def _load_network(config: configs.StyleTransferConfig, on_message: OnMessage) -> Network:
    policy, reason = precision.resolve(config.precision)
    on_message(f"precision: {policy}, {reason}")
    loaded = weights.load(config.weights, network=config.network, on_message=on_message)
    on_message(f"weights: {loaded.source}")
    extractor = vgg.extractor(loaded.convolutions, config.layers, pooling=config.pooling, policy=policy)
    recorded = {name: getattr(loaded, name) for name in ("network", "source", "sha256", "licence")}
    return Network(objectives.Objective(extractor=extractor, config=config), policy, recorded)


class Run(NamedTuple):
    """What the loop leaves behind."""

    history: list[objectives.Terms]  # of each step, still on the device
    times: list[float]  # when each step was done, s
    stopped_early: bool


def _run(
    optimizer: Any,
    targets: objectives.Targets,
    loss_scale: tf.Tensor,
    config: configs.StyleTransferConfig,
    on_report: OnReport | None,
    on_message: OnMessage,
) -> Run:
    """Takes the steps. Nothing is fetched from the device between two reports."""
    run = Run([], [], False)
    reported = float("-inf")
    for step in range(1, config.steps + 1):
        run.history.append(optimizer.step(targets, loss_scale))
        run.times.append(time.perf_counter())
        is_snapshot = bool(config.snapshot_interval) and step % config.snapshot_interval == 0
        if not is_snapshot and step < config.steps and run.times[-1] - reported < REPORT_INTERVAL_S:
            continue
        reported = run.times[-1]
        losses = {name: float(getattr(run.history[-1], name)[0]) for name in WEIGHTED_TERMS}
        if not np.isfinite(losses["total"]):
            on_message(f"step {step}: the objective is not finite; {optimizer.when_not_finite}")
            if not optimizer.recovers:
                break
        if on_report is not None:
            report = results.Report(
                step=step,
                steps=config.steps,
                losses=losses,
                seconds_per_step=_mean_interval(run.times),
                is_snapshot=is_snapshot,
                image=lambda: optimizer.best_image.numpy(),
            )
            try:
                on_report(report)
            except results.StopStylizing:
                return run._replace(stopped_early=True)
    return run


def start_image(config: configs.StyleTransferConfig, pictures: inputs.Inputs) -> tf.Tensor:
    """The image the optimisation begins at, [1, H, W, 3] in [0, 1], of the content picture's size."""
    content = pictures.content
    if config.initialisation == "content":
        return tf.constant(content.pixels)
    if config.initialisation == "noise":
        noise = tf.random.stateless_normal(content.pixels.shape, [config.seed, 0], 0.5, config.noise_stddev)
        return tf.clip_by_value(noise, 0.0, 1.0)
    start = pictures.styles[0] if config.initialisation == "style" else pictures.start
    return tf.constant(images.resize(start.pixels, content.height_px, content.width_px))


def _fetched(history: list[objectives.Terms]) -> dict[str, np.ndarray]:
    """The loss history as host arrays: name -> float32 [steps]."""
    series = {name: [getattr(terms, name) for terms in history] for name in WEIGHTED_TERMS}
    for kind in ("content", "style"):
        for layer in getattr(history[0], f"{kind}_layers"):
            series[f"{kind}/{layer}"] = [getattr(terms, f"{kind}_layers")[layer] for terms in history]
    return {name: tf.concat(values, 0).numpy() for name, values in series.items()}


def _diverged_at(totals: np.ndarray, best_loss: float) -> int | None:
    """The step after the best one, counted from 1, when the objective ends not finite or far above its best."""
    if np.isfinite(totals[-1]) and totals[-1] <= DIVERGED * best_loss:
        return None
    return int(np.nanargmin(np.where(np.isfinite(totals), totals, np.inf))) + 2


def _mean_interval(times: list[float]) -> float:
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
