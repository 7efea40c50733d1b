"""A new style learned for the network that has many: its scales and shifts alone, in about a minute on two cores.

Source: Dumoulin, Shlens & Kudlur 2017, section 3.2: a trained network takes up a new style by its gamma and beta.
Deviations: they start at the known style of the least objective instead of at 1 and 0, which makes 150 steps of what
takes thousands, and the objective is the one of this project.
"""

import dataclasses
import math
import os
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, messages, results
from nst_tf.losses import objective as objectives
from nst_tf.losses import on_vgg19
from nst_tf.networks import multi_style
from nst_tf.pictures import images, inputs
from nst_tf.training import adam
from nst_tf.training import photographs as photographs_
from nst_tf.weights import known_styles, style_files

MINIMUM_SIDE_PX = 64  # of a painting: below, its statistics say little
PREVIEW, PREVIEW_SIDE_PX = "sample:launch-pad", 384
LOSSES = ("total", "content", "style", "total_variation")
_START_SIDE_PX = 96  # of the squares that the known styles are compared on
_WARM_UP_STEPS = 5
_BETA_2 = 0.99  # of Adam; .999 would remember the start through a run of 150 steps
_MEMORY = 0.9  # of the running mean of the objective, which differs from square to square
_MEAN_SQUARE = 4.0  # of the entries of The Starry Night's Gram matrices, over conv1_1 to conv4_1
NOISE = 1.25  # by how much that mean may lie above its least value before a later style counts as a worse one
_FEW = 10  # steps whose mean says nothing yet
MOST_HALVINGS = 8


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LearnedStyle:
    """A style that was learned, and how.

    Attributes:
        style: what is written to a file.
        preview: float32 [1, H, W, 3], a photograph in the style, at the middle size of its strokes.
        losses: name -> float32 [steps]: total, content, style, total_variation.
        seconds: of the whole call.
        stopped_early: whether a callback ended the run.
        photographs_left_out: how many could not be read.
    """

    style: style_files.StyleFile
    preview: np.ndarray
    losses: dict[str, np.ndarray]
    seconds: float
    stopped_early: bool
    photographs_left_out: int

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the style for `--style` of nst-tf stylize; the path ends in .style.

        Raises:
            OutputError: another suffix, or the file cannot be written.
        """
        if pathlib.PurePath(path).suffix.lower() != style_files.SUFFIX:
            raise errors.OutputError(
                f"{os.fspath(path)}: a style's file must end in {style_files.SUFFIX}. Received: another suffix. "
                "Change it, since styles are known by it."
            )
        style_files.write(path, self.style)


def learn_style(
    painting: inputs.Source,
    config: configs.TrainingConfig | None = None,
    *,
    name: str = "style",
    photographs: str | None = None,
    on_report: results.OnReport | None = None,
    on_message: messages.OnMessage = messages.log,
) -> LearnedStyle:
    """Learns a painting's style for `--method=multi-style`.

    Args:
        painting: a path, `sample:NAME`, an `images.Picture`, or an array, as `nst_tf.stylize` takes it.
        config: the settings; the defaults when left out.
        name: of the style.
        photographs: a folder or a glob of photographs to train on; None for the samples.
        on_report: called after each step. `report.image()` is a preview; a `StopStylizing` ends the run, and the best
            style so far is the result.
        on_message: called with lines worth telling the user.

    Raises:
        NstError: a picture, folder, setting or network that cannot be used; the message says how to fix it.
    """
    started = time.perf_counter()
    config = configs.as_config(config, configs.TrainingConfig)
    squares = photographs_.Squares(
        photographs_.find(photographs),
        config.crop_px,
        flat_share=config.flat_share,
        seed=config.seed,
        on_message=on_message,
    )
    sizes_px = tuple(int(size) for size in config.stroke_sizes_px)
    paintings = [inputs.read_picture(painting, "painting", size) for size in sizes_px]
    check_painting(paintings[0])
    loaded = multi_style.load(known_styles.network_of((), config.network_file), on_message=on_message)
    network = on_vgg19.SharedNetworks(config.objective.layers).network(config.objective, on_message)
    shown = images.load(PREVIEW, max_side_px=PREVIEW_SIDE_PX).pixels
    training = _Training(loaded, network.objective, config, on_message)
    report = on_report and _reporter(on_report, shown, config)
    start = training.nearest_known(paintings[-1].pixels, [next(squares) for _ in range(2)])
    learned: dict[int, multi_style.Style] = {}
    for index in reversed(range(len(sizes_px))):  # each from the broader one before
        start = training.learn(paintings[index].pixels, squares, start, report)
        learned[sizes_px[index]] = start
        if training.stopped:
            break
    kept_px = tuple(sorted(learned))
    style = style_files.StyleFile(
        name=name,
        network_sha256=loaded.weights["sha256"],
        stroke_sizes_px=kept_px,
        gamma=np.stack([learned[size].gamma for size in kept_px]),
        beta=np.stack([learned[size].beta for size in kept_px]),
        about={
            "painting": {"name": pathlib.PurePath(paintings[0].name).name, "sha256": paintings[0].sha256},
            "config": dataclasses.asdict(config),
            "steps": len(training.history),
            "network": loaded.weights,
            "objective_network": network.weights,
            "versions": results.versions(),
        },
    )
    history = np.array(training.history, np.float32).reshape(-1, len(LOSSES))
    return LearnedStyle(
        style=style,
        preview=training.stylised(shown, multi_style.Style(*style.at(None))),
        losses=dict(zip(LOSSES, history.T, strict=True)),
        seconds=time.perf_counter() - started,
        stopped_early=training.stopped,
        photographs_left_out=len(squares.broken),
    )


class _Best(NamedTuple):
    """The latest style that is as good as any before, as far as the noise between squares tells."""

    loss: float  # the least running mean of the objective so far
    style: multi_style.Style


class _Training:
    """The variables of a style, Adam's moments of them, and the traced step that moves them.

    Attributes:
        history: the losses of each step so far, over all sizes.
        seconds_per_step: mean over the steps after the first.
        stopped: whether a callback ended the run.
    """

    def __init__(
        self,
        loaded: multi_style.Loaded,
        objective: objectives.Objective,
        config: configs.TrainingConfig,
        on_message: messages.OnMessage,
    ) -> None:
        self._known, self._config, self._on_message = loaded.known, config, on_message
        self._objective, self._network = objective, loaded.network
        self._network.trainable = False
        size = loaded.network.style_size
        self._values = [tf.Variable(tf.zeros([size]), trainable=False) for _ in range(2)]  # gamma and beta
        self._adam = adam.Adam(self._values, beta_2=_BETA_2)
        self.history: list[tuple[float, ...]] = []
        self.stopped = False
        self.seconds_per_step = 0.0
        anything = tf.TensorSpec([None, None, None, 3])
        row = tf.TensorSpec([None, size])
        self._apply = tf.function(
            lambda image, gamma, beta: self._network(image, multi_style.Style(gamma, beta)),
            input_signature=[anything, row, row],
            autograph=False,
        )
        self._step = tf.function(self._traced_step, reduce_retracing=True, autograph=False)
        self._evaluate = tf.function(self._traced_terms, reduce_retracing=True, autograph=False)

    @property
    def style(self) -> multi_style.Style:
        """The style as it is now."""
        return multi_style.Style(*(value.numpy() for value in self._values))

    def stylised(self, photograph: np.ndarray, style: multi_style.Style) -> np.ndarray:
        """A photograph [1, H, W, 3] in a style."""
        return self._apply(photograph, style.gamma[np.newaxis], style.beta[np.newaxis]).numpy()

    def nearest_known(self, painting: np.ndarray, squares: list[np.ndarray]) -> multi_style.Style:
        """The known style whose pictures have the least objective towards a painting."""
        targets = self._objective.targets(tf.constant(painting), [tf.constant(painting)])
        style_weight = relative_style_weight(targets, self._config.style_weight)
        styles = len(self._known.gamma)
        losses = np.zeros(styles)
        for square in squares:
            part = tf.repeat(square[:, :_START_SIDE_PX, :_START_SIDE_PX], styles, axis=0)
            losses += self._evaluate(part, *self._known, targets, style_weight).total.numpy()
        nearest = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
        self._on_message(f"starting at style:{nearest}, the nearest of the {styles} known ones")
        return multi_style.Style(self._known.gamma[nearest], self._known.beta[nearest])

    def learn(
        self,
        painting: np.ndarray,
        squares: photographs_.Squares,
        start: multi_style.Style,
        report: Callable[["_Training"], None] | None,
    ) -> multi_style.Style:
        """Moves a style towards a painting [1, H, W, 3] and returns the best one.

        A step whose objective or gradient is not finite puts the best style back and halves the rate.
        """
        targets = self._objective.targets(tf.constant(painting), [tf.constant(painting)])
        style_weight = relative_style_weight(targets, self._config.style_weight)
        self._begin(start)
        best = _Best(math.inf, start)
        rate, updates, halvings, mean, weight = self._config.learning_rate, 0, 0, 0.0, 0.0
        for step in range(1, self._config.steps + 1):
            before, square, began = self.style, next(squares), time.perf_counter()
            updates += 1
            step_rate = tf.constant(rate * self._share(step))
            losses = self._step(square, targets, style_weight, step_rate, tf.constant(float(updates)))
            self.history.append(tuple(float(loss) for loss in losses))
            if len(self.history) > 1:  # the first one traces
                seconds = time.perf_counter() - began
                self.seconds_per_step += (seconds - self.seconds_per_step) / (len(self.history) - 1)
            if not np.isfinite([*self.history[-1], *(part.sum() for part in self.style)]).all():
                halvings += 1
                if halvings > MOST_HALVINGS:
                    self._on_message(f"step {step}: the objective is not finite again; the best style so far is kept")
                    break
                rate, updates, mean, weight = rate / 2, 0, 0.0, 0.0
                self._on_message(
                    f"step {step}: the objective is not finite; the learning rate is halved to {rate:g}, and training "
                    "goes on from the best style so far"
                )
                self._begin(best.style)
                continue
            mean, weight = _MEMORY * mean + (1 - _MEMORY) * self.history[-1][0], _MEMORY * weight + 1 - _MEMORY
            if updates < _FEW or mean / weight <= NOISE * best.loss:
                best = _Best(min(mean / weight, best.loss), before)  # the one that the loss is of
            try:
                if report:
                    report(self)
            except results.StopStylizing:
                self.stopped = True
                break
        return best.style

    def _begin(self, style: multi_style.Style) -> None:
        """Puts a style in, and forgets Adam's moments."""
        for variable, value in zip(self._values, style, strict=True):
            variable.assign(value)
        self._adam.forget()

    def _share(self, step: int) -> float:
        """Of the learning rate at a step."""
        return adam.share_of_rate(step, self._config.steps, _WARM_UP_STEPS)

    def _traced_terms(
        self,
        image: tf.Tensor,
        gamma: tf.Tensor,
        beta: tf.Tensor,
        targets: objectives.Targets,
        style_weight: tf.Tensor,
    ) -> objectives.Terms:
        """The objective of photographs [B, H, W, 3] in styles [B, N], towards a painting's targets."""
        stylised = self._network(image, multi_style.Style(gamma, beta))
        targets = targets | self._objective.content_targets(image)
        return self._objective.terms(stylised, targets, {"style": style_weight})

    def _traced_step(
        self,
        image: tf.Tensor,
        targets: objectives.Targets,
        style_weight: tf.Tensor,
        rate: tf.Tensor,
        updates: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """One update by Adam (Kingma & Ba 2015); the terms are those before it."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._values)
            gamma, beta = (value[tf.newaxis] for value in self._values)
            terms = self._traced_terms(image, gamma, beta, targets, style_weight)
            total = tf.reduce_mean(terms.total)
        gradients = tape.gradient(total, self._values)
        self._adam.apply(gradients, rate, updates)
        return total, *(tf.reduce_mean(terms.values[name]) for name in LOSSES[1:])


def relative_style_weight(targets: objectives.Targets, style_weight: float) -> tf.Tensor:
    """The weight of the style, in proportion to the painting's own Gram matrices.

    A soft painting has Gram matrices of a tenth of a bold one's squares; with one weight for both, the content would
    outweigh its style.
    """
    squares = [tf.reduce_mean(tf.square(gram)) for gram in targets["style"].values()]
    return style_weight * _MEAN_SQUARE / (tf.add_n(squares) / len(squares))


def _reporter(
    on_report: results.OnReport, shown: np.ndarray, config: configs.TrainingConfig
) -> Callable[[_Training], None]:
    """Calls on_report with how far the training is."""
    steps = config.steps * len(config.stroke_sizes_px)

    def report(training: _Training) -> None:
        step = len(training.history)
        on_report(
            results.Report(
                step=step,
                steps=steps,
                losses=dict(zip(LOSSES, training.history[-1], strict=True)),
                seconds_per_step=training.seconds_per_step,
                seconds_left=training.seconds_per_step * (steps - step),
                is_snapshot=bool(config.preview_interval) and step % config.preview_interval == 0,
                image=lambda: training.stylised(shown, training.style),
            )
        )

    return report


def check_painting(painting: images.Picture) -> None:
    """Refuses a painting that is too small to learn from.

    Raises:
        ImageError: its shorter side is below `MINIMUM_SIDE_PX`.
    """
    if min(painting.height_px, painting.width_px) < MINIMUM_SIDE_PX:
        raise errors.ImageError(
            f"{painting.name}: a painting's shorter side must be at least {MINIMUM_SIDE_PX} px to learn its style. "
            f"Received: {painting.width_px} x {painting.height_px} px. Use a larger picture or stroke size."
        )
