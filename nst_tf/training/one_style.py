"""A network for one style, trained from nothing on photographs: hours where `loop` takes a minute.

Source: Johnson, Alahi & Fei-Fei 2016, section 3. Deviations: the objective is this project's, on VGG-19; squares of
half the side come first; the rate rises at the start and falls to the end, since Adam's equal steps on a new output
layer would saturate the picture.
"""

import dataclasses
import math
import pathlib
import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, machine, messages, results
from nst_tf.losses import objective as objectives
from nst_tf.losses import on_vgg19
from nst_tf.networks import multi_style, one_style
from nst_tf.optimisation import checkpoint
from nst_tf.pictures import images, inputs
from nst_tf.training import adam, loop
from nst_tf.training import photographs as photographs_
from nst_tf.weights import multi_style as multi_style_weights
from nst_tf.weights import style_files

_WARM_UP_STEPS = 100
_BETA_2 = 0.999  # of Adam
_MEMORY = 0.98  # of the running mean of the objective
_KEPT_EVERY = 25  # steps between two looks at whether the network is to be kept


class _Stage(NamedTuple):
    """Updates on squares of one size."""

    crop_px: int
    steps: int


@dataclasses.dataclass
class _Progress:
    """What steers the training beside its variables; each a number that a checkpoint holds."""

    rate: float  # the learning rate, halved after each objective that was not finite
    updates: float = 0.0  # since Adam's moments were zero
    mean: float = 0.0  # of the objective, running
    weight: float = 0.0  # of that mean
    least: float = math.inf  # the least of it
    halvings: float = 0.0


def learn_network(
    painting: inputs.Source,
    config: configs.OneStyleTrainingConfig | None = None,
    *,
    name: str = "style",
    photographs: str | None = None,
    checkpoints: checkpoint.Checkpoints | None = None,
    on_report: results.OnReport | None = None,
    on_message: messages.OnMessage = messages.log,
) -> loop.LearnedStyle:
    """Trains a network that draws in one painting's style, for `--method=one-style`.

    Args:
        painting: a path, `sample:NAME`, an `images.Picture`, or an array, as `nst_tf.stylize` takes it.
        config: the settings; the defaults when left out.
        name: of the style.
        photographs: a folder or a glob of photographs to train on; None for the samples, which are few.
        checkpoints: where the training is saved to, and continued from. The same seed gives the same network, resumed
            or not, on one machine.
        on_report: called after each step. `report.image()` is a preview; a `StopStylizing` ends the run, and the best
            network so far is the result.
        on_message: called with lines worth telling the user.

    Raises:
        NstError: a picture, folder, setting or network that cannot be used; the message says how to fix it.
    """
    started = time.perf_counter()
    config = configs.as_config(config, configs.OneStyleTrainingConfig)
    picture = inputs.read_picture(painting, "painting", config.stroke_size_px)
    loop.check_painting(picture)
    found = photographs_.find(photographs)
    network = on_vgg19.SharedNetworks(config.objective.layers).network(config.objective, on_message)
    training = _Training(network.objective, picture.pixels, config, found, on_message)
    if checkpoints:
        training.resume(checkpoints, _identity(config, picture, found, network))
    training.run(on_report)
    values = training.kept
    kernels = {layer: kernel.astype(np.float16).astype(np.float32) for layer, kernel in values.kernels.items()}
    style = style_files.StyleFile(
        name=name,
        network_sha256=multi_style_weights.kernels_sha256(kernels),
        stroke_sizes_px=(config.stroke_size_px,),
        gamma=values.style.gamma[np.newaxis],
        beta=values.style.beta[np.newaxis],
        about={
            "painting": {"name": pathlib.PurePath(picture.name).name, "sha256": picture.sha256},
            "config": dataclasses.asdict(config),
            "steps": training.position.steps,
            "photographs": len(found),
            "objective_network": network.weights,
            "versions": results.versions(),
        },
        kernels=kernels,
    )
    return loop.LearnedStyle(
        style=style,
        preview=training.preview(values),
        losses=dict(zip(loop.LOSSES, training.losses[: training.position.steps].T, strict=True)),
        seconds=time.perf_counter() - started,
        stopped_early=training.stopped,
        photographs_left_out=training.photographs_left_out,
    )


class _Training:
    """The network's variables, Adam's moments of them, the traced step, and how far the training is.

    Attributes:
        position: steps done with each size of the squares.
        losses: float32 [steps in all, 4], the objective and its terms at each step; NaN for those to come.
        kept: the latest network that is no worse than any before, as far as the noise between squares tells.
        stopped: whether a callback ended the run.
    """

    def __init__(
        self,
        objective: objectives.Objective,
        painting: np.ndarray,
        config: configs.OneStyleTrainingConfig,
        photographs: tuple[str, ...],
        on_message: messages.OnMessage,
    ) -> None:
        self._objective, self._config, self._on_message = objective, config, on_message
        coarse = round(config.steps * config.coarse_share)
        stages = (_Stage(config.crop_px // 2, coarse), _Stage(config.crop_px, config.steps - coarse))
        self._stages = [stage for stage in stages if stage.steps]
        self._squares = [
            photographs_.Squares(
                photographs, stage.crop_px, flat_share=config.flat_share, seed=config.seed, on_message=on_message
            )
            for stage in self._stages
        ]
        start = one_style.new_values(config.width, config.blocks, config.seed)
        self._layers = tuple(start.kernels)
        self._network = multi_style.MultiStyleNetwork(start.kernels)
        kernels = [self._network.body.get_layer(layer.replace(".", "_")).kernel.value for layer in self._layers]
        self._variables = [*kernels, *(tf.Variable(part) for part in start.style)]
        self._adam = adam.Adam(self._variables, beta_2=_BETA_2)
        self._targets = objective.targets(tf.constant(painting), [tf.constant(painting)])
        self._style_weight = loop.relative_style_weight(self._targets, config.style_weight)
        scalar = tf.TensorSpec([])
        self._steps = [  # a graph for each size: one of open sides, as a resumed training would not get, has other bits
            tf.function(
                self._traced_step,
                input_signature=[tf.TensorSpec([config.batch, stage.crop_px, stage.crop_px, 3]), scalar, scalar],
                autograph=False,
            )
            for stage in self._stages
        ]
        self._apply = tf.function(self._network, reduce_retracing=True, autograph=False)
        self._shown = images.load(loop.PREVIEW, max_side_px=loop.PREVIEW_SIDE_PX).pixels
        self._progress = _Progress(config.learning_rate)
        self._checkpoints: checkpoint.Checkpoints | None = None
        self.position = checkpoint.Position()
        self.losses = np.full([config.steps, len(loop.LOSSES)], np.nan, np.float32)
        self.kept = start
        self.stopped = False

    @property
    def photographs_left_out(self) -> int:
        """How many could not be read."""
        return len({path for squares in self._squares for path in squares.broken})

    def preview(self, values: one_style.Values) -> np.ndarray:
        """A sample photograph [1, H, W, 3] drawn by a network, which becomes the current one."""
        self._assign(values)
        return self._shown_now()

    def resume(self, checkpoints: checkpoint.Checkpoints, identity: checkpoint.Identity) -> None:
        """Saves the training from now on, and continues it where it was saved before."""
        self._checkpoints = checkpoints
        saved = checkpoints.begin(identity, [stage.steps for stage in self._stages], 0.0, self._on_message)
        if saved is None:
            return
        state = saved.state(self._state())
        for name, variable in self._saved_variables().items():
            variable.assign(state[name])
        kept = [state[f"kept/{index}"] for index in range(len(self._variables))]
        self.kept = one_style.Values(
            dict(zip(self._layers, kept, strict=False)), multi_style.Style(*kept[len(self._layers) :])
        )
        self.losses = state["losses"]
        self._progress = _Progress(*state["progress"].tolist())
        self.position = saved.position.resumed()

    def run(self, on_report: results.OnReport | None) -> None:
        """Trains to the end, or until a callback or an objective that stays infinite ends it."""
        for index, stage in enumerate(self._stages):
            if index >= len(self.position.done):
                self.position.start_stage()
            self._run_stage(index, stage, on_report)
            if self.stopped:
                break

    def _run_stage(self, index: int, stage: _Stage, on_report: results.OnReport | None) -> None:
        """The steps on squares of one size that are left."""
        done_here, mean_s = 0, 0.0
        while self.position.done[index] < stage.steps and not self.stopped:
            step, began = self.position.steps + 1, time.perf_counter()
            self._squares[index].start_at(step)
            square = np.concatenate([next(self._squares[index]) for _ in range(self._config.batch)])
            self._progress.updates += 1
            rate = tf.constant(self._progress.rate * self._share(step))
            losses = self._steps[index](square, rate, tf.constant(self._progress.updates, tf.float32))
            self.losses[step - 1] = [float(loss) for loss in losses]
            seconds = time.perf_counter() - began
            self.position.done[index] += 1
            self.position.seconds += seconds
            mean_s += (seconds - mean_s) / done_here if done_here else 0.0  # the first one traces
            done_here += 1
            self._judge(step)
            if on_report:
                self._report(on_report, step, mean_s, stage.steps - self.position.done[index])
            self._save()

    def _judge(self, step: int) -> None:
        """Keeps the network when it is no worse than before; one that is not finite is put back."""
        progress, loss = self._progress, float(self.losses[step - 1, 0])
        if not math.isfinite(loss) or not self._is_finite(step):
            progress.halvings += 1
            progress.rate, progress.updates, progress.mean, progress.weight = progress.rate / 2, 0.0, 0.0, 0.0
            self._assign(self.kept)
            self._adam.forget()
            if progress.halvings > loop.MOST_HALVINGS:
                self._on_message(f"step {step}: the objective is not finite again; the best network so far is kept")
                self.stopped = True
            else:
                self._on_message(
                    f"step {step}: the objective is not finite; the learning rate is halved to {progress.rate:g}, and "
                    "training goes on from the best network so far"
                )
            return
        progress.mean = _MEMORY * progress.mean + (1 - _MEMORY) * loss
        progress.weight = _MEMORY * progress.weight + 1 - _MEMORY
        if step % _KEPT_EVERY == 0 or step == self._config.steps:
            mean = progress.mean / progress.weight
            if mean <= loop.NOISE * progress.least:
                progress.least, self.kept = min(mean, progress.least), self._values()

    def _is_finite(self, step: int) -> bool:
        """Whether the variables are, looked at when they may be kept."""
        if step % _KEPT_EVERY and step != self._config.steps:
            return True
        return all(np.isfinite(variable.numpy()).all() for variable in self._variables)

    def _report(self, on_report: results.OnReport, step: int, mean_s: float, left_here: int) -> None:
        interval = self._config.preview_interval
        later = self._config.steps - step - left_here  # on squares of twice the side
        try:
            on_report(
                results.Report(
                    step=step,
                    steps=self._config.steps,
                    losses=dict(zip(loop.LOSSES, map(float, self.losses[step - 1]), strict=True)),
                    seconds_per_step=mean_s,
                    seconds_left=mean_s * (left_here + 4 * later),
                    is_snapshot=bool(interval) and step % interval == 0,
                    image=self._shown_now,
                )
            )
        except results.StopStylizing:
            self.stopped = True

    def _save(self) -> None:
        """Writes a checkpoint where one is due; a failure is reported and tried again."""
        if self._checkpoints and (self.stopped or self._checkpoints.is_due()):
            try:
                self._checkpoints.write(self.position, self._state())
            except errors.OutputError as error:
                self._on_message(f"the training goes on without a checkpoint for now. {error}")

    def _saved_variables(self) -> dict[str, tf.Variable]:
        names = [f"variable/{index}" for index in range(len(self._variables))]
        names += [f"moment/{index}" for index in range(len(self._adam.moments))]
        return dict(zip(names, (*self._variables, *self._adam.moments), strict=True))

    def _state(self) -> dict[str, Any]:
        kept = (*self.kept.kernels.values(), *self.kept.style)
        return {
            **self._saved_variables(),
            **{f"kept/{index}": np.asarray(value) for index, value in enumerate(kept)},
            "losses": self.losses,
            "progress": np.array(dataclasses.astuple(self._progress)),
        }

    def _values(self) -> one_style.Values:
        *kernels, gamma, beta = (variable.numpy() for variable in self._variables)
        return one_style.Values(dict(zip(self._layers, kernels, strict=True)), multi_style.Style(gamma, beta))

    def _assign(self, values: one_style.Values) -> None:
        for variable, value in zip(self._variables, (*values.kernels.values(), *values.style), strict=True):
            variable.assign(value)

    def _shown_now(self) -> np.ndarray:
        gamma, beta = self._variables[-2:]
        return self._apply(self._shown, multi_style.Style(gamma.value(), beta.value())).numpy()

    def _share(self, step: int) -> float:
        """Of the learning rate at a step."""
        return adam.share_of_rate(step, self._config.steps, _WARM_UP_STEPS)

    def _traced_step(self, squares: tf.Tensor, rate: tf.Tensor, updates: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """One update on squares [B, S, S, 3]; the losses, means over the squares, are those before it."""
        targets = self._targets | self._objective.content_targets(squares)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            gamma, beta = (variable[tf.newaxis] for variable in self._variables[-2:])
            stylised = self._network(squares, multi_style.Style(gamma, beta))
            terms = self._objective.terms(stylised, targets, {"style": self._style_weight})
            total = tf.reduce_mean(terms.total)
        self._adam.apply(tape.gradient(total, self._variables), rate, updates)
        return total, *(tf.reduce_mean(terms.values[name]) for name in loop.LOSSES[1:])


def _identity(
    config: configs.OneStyleTrainingConfig,
    painting: images.Picture,
    photographs: tuple[str, ...],
    network: on_vgg19.Network,
) -> checkpoint.Identity:
    """What a training must have in common with the one that it continues."""
    run = {
        key: value for key, value in dataclasses.asdict(config).items() if key not in ("preview_interval", "weights")
    }
    run |= {"method": "one-style", "precision": network.policy, "weights": network.weights.get("sha256", "as given")}
    run |= {"painting": painting.sha256, "photographs": len(photographs)}
    return checkpoint.Identity(run, machine.described())
