"""The steps of a run: taking them, deciding when a size is over, and reporting to whoever listens."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, messages, results
from nst_tf.losses import objective
from nst_tf.optimisation import checkpoint, clock, optimizers, stages

TIMED_STEPS = 3  # after the first, which may trace a graph: then the user reads how long the run will take
REPORT_INTERVAL_S = 0.5  # the losses are fetched from the device at most this often


def fetched(history: Sequence[objective.Terms]) -> dict[str, np.ndarray]:
    """A loss history as host arrays: name -> float32 [steps]."""
    steps = [terms.named() for terms in history]
    return {name: tf.concat([step[name] for step in steps], 0).numpy() for name in steps[0]}


class Loop:
    """Runs the stages of one stylisation. Nothing is fetched from the device between two reports or checkpoints.

    Args:
        stages: all of them, for the time left.
        names: of the numbers of a step, as `Objective.names`.
        config: snapshot_interval, patience, min_improvement, min_change_levels and time_budget_s.
        started: `time.perf_counter()` when the call started.
        on_report: as for `transfer.stylize`.
        on_message: as for `transfer.stylize`.
        checkpoints: ready for the run; None writes none.
        resumed: the checkpoint that the run continues.

    Attributes:
        position: how far the run is, as a checkpoint records it.
        history: the terms of every step so far, still on the device.
        clock: the times of the steps.
        stopped: whether the callback ended the run.
    """

    def __init__(
        self,
        stages: Sequence[stages.Stage],
        names: Sequence[str],
        config: configs.StyleTransferConfig,
        *,
        started: float,
        on_report: results.OnReport | None = None,
        on_message: messages.OnMessage = messages.log,
        checkpoints: checkpoint.Checkpoints | None = None,
        resumed: checkpoint.Saved | None = None,
    ) -> None:
        self.position = resumed.position.before_its_last_stage() if resumed else checkpoint.Position()
        self.history: list[objective.Terms] = []
        self.stopped = False
        self._names = names
        self._config = config
        self._on_report = on_report
        self._on_message = on_message
        self._checkpoints = checkpoints
        self._resumed = resumed
        spent_s = resumed.position.seconds if resumed else 0.0
        self._started = started - spent_s
        finished = self.position.done
        self.clock = clock.Clock(
            [stage.plan.step_flop for stage in stages],
            [*finished, *(stage.steps for stage in stages[len(finished) :])],
            deadline=self._started + config.time_budget_s if config.time_budget_s else None,
        )
        self._reported = float("-inf")
        self._is_timed = False
        self._earlier_image: tf.Tensor | None = None  # the best one `patience` steps ago, where stillness is looked for

    @property
    def stage(self) -> int:
        """Index of the stage to start with."""
        return len(self.position.done)

    @property
    def seconds(self) -> float:
        """Spent on the run, before it was resumed, too."""
        return time.perf_counter() - self._started

    def run(
        self,
        optimizer: optimizers.Optimizer,
        targets: objective.Targets,
        loss_scale: tf.Tensor,
        steps: int,
        image: Callable[[], np.ndarray],
    ) -> None:
        """Takes the steps of one stage, or fewer: see `position.ended_by`.

        A run that continues from a checkpoint takes only those that its first stage lacks.

        Args:
            optimizer: started.
            targets: of this stage.
            loss_scale: see `Objective.terms_and_gradient`.
            steps: of this stage.
            image: the best image so far, for the reports.
        """
        self.position.start_stage()
        if self._config.patience and self._config.min_change_levels:
            self._earlier_image = optimizer.best_image
        if self._resumed:
            loss_scale = self._resume(self._resumed, optimizer, loss_scale)
        missing = steps - self.position.done[-1]
        if missing == 0 or self.position.ended_by[-1] != checkpoint.BY_STEPS:
            self.clock.drop(len(self.history), missing)
            return
        self.clock.start_stage(len(self.history), missing)
        self._reported = float("-inf")
        while True:
            self.history.append(optimizer.step(targets, loss_scale))
            self.position.done[-1] += 1
            is_over = self._is_over(optimizer, steps)
            end = self._report(optimizer, image)
            if self._checkpoints and (self.stopped or self._checkpoints.is_due()):
                self._save(self._checkpoints, optimizer, loss_scale)
            if end:
                self.position.ended_by[-1] = end
            if is_over or end:
                return

    def _is_over(self, optimizer: optimizers.Optimizer, steps: int) -> bool:
        """Whether the stage ends with its last step: it is done, late, or has stalled."""
        step, stage_step = len(self.history), self.position.done[-1]
        if self.clock.has_deadline or not self._is_timed:
            float(self.history[-1].total[0])  # waits for the device, which may lag behind
        now = self.clock.tick(step)
        if not self._is_timed and self.clock.timed == TIMED_STEPS:
            self._is_timed = True
            seconds = self.seconds + self.clock.seconds_left(step)
            self._on_message(f"plan: {clock.duration(seconds)} in all, by the time of {TIMED_STEPS} evaluations")
        if self.clock.is_late(step, now):
            self.position.ended_by[-1] = "time budget"
        if self._config.patience and stage_step % self._config.patience == 0:
            if self._has_stalled(optimizer):
                self.position.ended_by[-1] = "stall"
            if self._stands_still(optimizer):
                self.position.ended_by[-1] = "stillness"
        if stage_step < steps and self.position.ended_by[-1] == checkpoint.BY_STEPS:
            return False
        self.clock.drop(step, steps - stage_step)
        return True

    def _has_stalled(self, optimizer: optimizers.Optimizer) -> bool:
        """Whether `patience` evaluations have gained too little."""
        best, milestone = float(optimizer.best_loss), self.position.milestone
        self.position.milestone = best
        return milestone - best < self._config.min_improvement * abs(milestone)  # false for infinity

    def _stands_still(self, optimizer: optimizers.Optimizer) -> bool:
        """Whether `patience` evaluations have changed the picture too little to be seen."""
        if self._earlier_image is None:
            return False
        image, earlier = optimizer.best_image, self._earlier_image
        self._earlier_image = image
        change = tf.sqrt(tf.reduce_mean(tf.square(image - earlier))) * 255
        return float(change) < self._config.min_change_levels  # false for NaN, an average's start

    def _report(self, optimizer: optimizers.Optimizer, image: Callable[[], np.ndarray]) -> str:
        """Reports the last step where a report is due: what ends the run, empty where it goes on."""
        step, now = len(self.history), time.perf_counter()
        is_snapshot = bool(self._config.snapshot_interval) and step % self._config.snapshot_interval == 0
        if not (is_snapshot or step == self.clock.steps or now - self._reported >= REPORT_INTERVAL_S):
            return ""
        self._reported = now
        losses = {name: float(value[0]) for name, value in self.history[-1].named().items()}
        if not np.isfinite(losses["total"]):
            self._on_message(f"step {step}: the objective is not finite; {optimizer.when_not_finite}")
            if not optimizer.recovers:
                return "not finite"
        if self._on_report is None:
            return ""
        report = results.Report(
            step=step,
            steps=self.clock.steps,
            losses=losses,
            seconds_per_step=self.clock.seconds_per_step,
            seconds_left=self.clock.seconds_left(step),
            is_snapshot=is_snapshot,
            image=image,
        )
        try:
            self._on_report(report)
        except results.StopStylizing:
            self.stopped = True
        return "callback" if self.stopped else ""

    def _save(
        self, checkpoints: checkpoint.Checkpoints, optimizer: optimizers.Optimizer, loss_scale: tf.Tensor
    ) -> None:
        """Writes a checkpoint. Where that fails the run goes on: what it still can give is its picture."""
        self.position.seconds = self.seconds
        losses = {f"losses/{name}": values for name, values in fetched(self.history).items()}
        try:
            checkpoints.write(self.position, self._state(optimizer, loss_scale) | losses)
        except errors.OutputError as error:
            self._on_message(f"step {self.position.steps}: no checkpoint was written; the last one is kept. {error}")

    def _state(self, optimizer: optimizers.Optimizer, loss_scale: tf.Tensor) -> dict[str, Any]:
        """What the remaining steps of a size depend on beside the losses."""
        state = optimizer.state() | {"loss_scale": loss_scale}
        return state if self._earlier_image is None else state | {"earlier_image": self._earlier_image}

    def _resume(self, resumed: checkpoint.Saved, optimizer: optimizers.Optimizer, loss_scale: tf.Tensor) -> tf.Tensor:
        """Puts the optimiser, the history and the position where the checkpoint has them; returns its loss scale."""
        self._resumed = None
        steps = resumed.position.steps
        losses = {f"losses/{name}": np.broadcast_to(np.float32(0), steps) for name in self._names}
        state = resumed.state(self._state(optimizer, loss_scale) | losses)
        optimizer.restore(state)
        if self._earlier_image is not None:
            self._earlier_image = tf.constant(state["earlier_image"])
        for step in range(steps):
            numbers = {name: state[f"losses/{name}"][step : step + 1] for name in self._names}
            self.history.append(objective.Terms.of_named(numbers))
        self.position = resumed.position.resumed()
        self._on_message(f"resuming after step {steps} of {self.clock.steps}, {resumed.position.seconds:.0f} s of work")
        return tf.constant(state["loss_scale"])
