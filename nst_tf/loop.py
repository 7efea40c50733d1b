"""The steps of a run: taking them, timing them, and reporting them to whoever listens."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import checkpoint, errors, objective, results, schedule

REPORT_INTERVAL_S = 0.5  # the losses are fetched from the device at most this often
_NUMBERS = ("total", "content", "style", "total_variation", "gradient_norm")

OnReport = Callable[[results.Report], None]
OnMessage = Callable[[str], None]


def named(terms: objective.Terms) -> dict[str, tf.Tensor]:
    """The numbers of a step under the names of `Report.losses`, each [B]."""
    numbers = {name: getattr(terms, name) for name in _NUMBERS if getattr(terms, name) is not None}
    for kind, layers in (("content", terms.content_layers), ("style", terms.style_layers)):
        numbers |= {f"{kind}/{layer}": value for layer, value in layers.items()}
    return numbers


def fetched(history: Sequence[objective.Terms]) -> dict[str, np.ndarray]:
    """A loss history as host arrays: name -> float32 [steps]."""
    steps = [named(terms) for terms in history]
    return {name: tf.concat([step[name] for step in steps], 0).numpy() for name in steps[0]}


class Loop:
    """Runs the stages of one stylisation. Nothing is fetched from the device between two reports or checkpoints.

    Args:
        stages: all of them, for the time left.
        snapshot_interval: steps between snapshots; 0 for none.
        on_report: as for `transfer.stylize`.
        on_message: as for `transfer.stylize`.
        checkpoints: begun; None writes none.
        resumed: the checkpoint that the run continues.

    Attributes:
        stage: index of the stage to run next.
        history: the terms of every step so far, still on the device.
        resumed_after_steps: where the run was continued.
        seconds_before: spent on the run before it was resumed.
        seconds: of each stage so far, from its first step to its last.
        first_step_done: `time.perf_counter()` after the first step of all.
        stopped: whether the callback ended the run.
    """

    def __init__(
        self,
        stages: Sequence[schedule.Stage],
        snapshot_interval: int,
        on_report: OnReport | None,
        on_message: OnMessage,
        checkpoints: checkpoint.Checkpoints | None = None,
        resumed: checkpoint.Saved | None = None,
    ) -> None:
        self.history: list[objective.Terms] = []
        self.stage = resumed.position.stage if resumed else 0
        self.resumed_after_steps: tuple[int, ...] = ()
        self._began = time.perf_counter()
        self.seconds_before = 0.0
        self._checkpoints = checkpoints
        self._resumed = resumed
        self.first_step_done: float | None = None
        self.stopped = False
        self.seconds_per_step = 0.0
        self._pixel_steps = [stage.height_px * stage.width_px for stage in stages for _ in range(stage.steps)]
        self._seconds_per_pixel = 0.0
        self._snapshot_interval = snapshot_interval
        self._on_report = on_report
        self._on_message = on_message

    def run(
        self,
        optimizer: Any,
        targets: objective.Targets,
        loss_scale: tf.Tensor,
        steps: int,
        image: Callable[[], np.ndarray],
    ) -> None:
        """Takes the steps of one stage, or fewer when the callback stops it or Adam meets a number that is not finite.

        A run that continues from a checkpoint takes only those that its first stage lacks.

        Args:
            optimizer: started.
            targets: of this stage.
            loss_scale: see `Objective.terms_and_gradient`.
            steps: of this stage.
            image: the best image so far, for the reports.
        """
        done = 0
        if self._resumed:
            done, loss_scale = self._resume(self._resumed, optimizer, targets, loss_scale)
        stage_began = reported = float("-inf")
        for stage_step in range(done + 1, steps + 1):
            self.history.append(optimizer.step(targets, loss_scale))
            now = time.perf_counter()
            self.first_step_done = self.first_step_done or now
            if stage_step == done + 1:
                stage_began = now  # the first step may trace the graph, so it is not timed
            else:
                self.seconds_per_step = (now - stage_began) / (stage_step - done - 1)
                self._seconds_per_pixel = self.seconds_per_step / self._pixel_steps[len(self.history) - 1]
            step = len(self.history)
            is_snapshot = bool(self._snapshot_interval) and step % self._snapshot_interval == 0
            goes_on = True
            if is_snapshot or step == len(self._pixel_steps) or now - reported >= REPORT_INTERVAL_S:
                reported = now
                goes_on = self._report(step, is_snapshot, optimizer, image)
            if self._checkpoints and (self.stopped or self._checkpoints.is_due()):
                self._keep(self._checkpoints, stage_step, optimizer, loss_scale)
            if not goes_on:
                break
        self.stage += 1

    def _keep(
        self, checkpoints: checkpoint.Checkpoints, stage_step: int, optimizer: Any, loss_scale: tf.Tensor
    ) -> None:
        """Writes a checkpoint. Where that fails the run goes on: what it still can give is its picture."""
        position = checkpoint.Position(
            stage=self.stage,
            stage_step=stage_step,
            steps=len(self.history),
            seconds=self.seconds_before + time.perf_counter() - self._began,
            resumed_after_steps=self.resumed_after_steps,
        )
        losses = {f"losses/{name}": values for name, values in fetched(self.history).items()}
        try:
            checkpoints.write(position, optimizer.state() | losses | {"loss_scale": loss_scale})
        except errors.OutputError as error:
            self._on_message(f"step {position.steps}: no checkpoint was written; the last one is kept. {error}")

    def _resume(
        self, resumed: checkpoint.Saved, optimizer: Any, targets: objective.Targets, loss_scale: tf.Tensor
    ) -> tuple[int, tf.Tensor]:
        """Puts the optimiser and the history where the checkpoint has them: (steps done at this size, loss scale)."""
        self._resumed = None
        done = resumed.position
        names = [*_NUMBERS, *(f"content/{key}" for key in targets.content), *(f"style/{key}" for key in targets.style)]
        losses = {f"losses/{name}": np.broadcast_to(np.float32(0), done.steps) for name in names}
        state = resumed.state(optimizer.state() | losses | {"loss_scale": loss_scale})
        optimizer.restore(state)
        for step in range(done.steps):
            self.history.append(_unnamed({name: state[f"losses/{name}"][step : step + 1] for name in names}))
        self.resumed_after_steps = (*done.resumed_after_steps, done.steps)
        self.seconds_before = done.seconds
        self._on_message(f"resuming after step {done.steps} of {len(self._pixel_steps)}, {done.seconds:.0f} s of work")
        return done.stage_step, tf.constant(state["loss_scale"])

    def _report(self, step: int, is_snapshot: bool, optimizer: Any, image: Callable[[], np.ndarray]) -> bool:
        """Tells how step went; False when the run is to end."""
        losses = {name: float(value[0]) for name, value in named(self.history[-1]).items()}
        if not np.isfinite(losses["total"]):
            self._on_message(f"step {step}: the objective is not finite; {optimizer.when_not_finite}")
            if not optimizer.recovers:
                return False
        if self._on_report is None:
            return True
        report = results.Report(
            step=step,
            steps=len(self._pixel_steps),
            losses=losses,
            seconds_per_step=self.seconds_per_step,
            seconds_left=self._seconds_per_pixel * sum(self._pixel_steps[step:]),
            is_snapshot=is_snapshot,
            image=image,
        )
        try:
            self._on_report(report)
        except results.StopStylizing:
            self.stopped = True
        return not self.stopped


def _unnamed(numbers: Mapping[str, np.ndarray]) -> objective.Terms:
    """The inverse of `named`."""
    plain = {name: value for name, value in numbers.items() if "/" not in name}
    content, style = (
        {name.removeprefix(kind): value for name, value in numbers.items() if name.startswith(kind)}
        for kind in ("content/", "style/")
    )
    return objective.Terms(**plain, content_layers=content, style_layers=style)
