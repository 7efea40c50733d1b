"""The steps of a run: taking them, timing them, and reporting them to whoever listens."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import errors, messages, results
from nst_tf.losses import objective
from nst_tf.optimisation import checkpoint, schedule

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
        work: of a step of each stage, in any unit; the number of pixels when left out.
        patience: as config.patience.
        min_improvement: as config.min_improvement.
        deadline: `time.perf_counter()` at which the run is to be over.
        checkpoints: begun; None writes none.
        resumed: the checkpoint that the run continues.

    Attributes:
        stage: index of the stage to begin with.
        history: the terms of every step so far, still on the device.
        resumed_after_steps: where the run was continued.
        first_step_done: `time.perf_counter()` after the first step of all.
        stopped: whether the callback ended the run.
        ended_by: what ended each stage so far: steps, stall, time budget, callback or not finite.
    """

    def __init__(
        self,
        stages: Sequence[schedule.Stage],
        snapshot_interval: int,
        on_report: OnReport | None,
        on_message: messages.OnMessage,
        *,
        work: Sequence[float] | None = None,
        patience: int = 0,
        min_improvement: float = 0.0,
        deadline: float | None = None,
        checkpoints: checkpoint.Checkpoints | None = None,
        resumed: checkpoint.Saved | None = None,
    ) -> None:
        self.history: list[objective.Terms] = []
        done = resumed.position.done if resumed else ()
        self.stage = len(done[:-1])
        self.resumed_after_steps: tuple[int, ...] = ()
        self._done = list(done[:-1])
        self._began = time.perf_counter() - (resumed.position.seconds if resumed else 0.0)
        self._checkpoints = checkpoints
        self._resumed = resumed
        self.first_step_done: float | None = None
        self.stopped = False
        self.ended_by = list(resumed.position.ended_by[:-1]) if resumed else []
        self.seconds_per_step = 0.0
        works = work or [float(stage.height_px * stage.width_px) for stage in stages]
        steps = [*done[:-1], *(stage.steps for stage in stages[self.stage :])]
        self._work = [works[index] for index, count in enumerate(steps) for _ in range(count)]
        self._seconds_per_work = 0.0
        self._patience, self._min_improvement, self._deadline = patience, min_improvement, deadline
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
        """Takes the steps of one stage, or fewer: see `ended_by`.

        A run that continues from a checkpoint takes only those that its first stage lacks.

        Args:
            optimizer: started.
            targets: of this stage.
            loss_scale: see `Objective.terms_and_gradient`.
            steps: of this stage.
            image: the best image so far, for the reports.
        """
        milestone = float("inf")  # the best objective `patience` steps ago
        self._done.append(0)
        self.ended_by.append("steps")
        if self._resumed:
            loss_scale, milestone = self._resume(self._resumed, optimizer, targets, loss_scale)
        done = self._done[-1]
        if done == steps or self.ended_by[-1] != "steps":
            del self._work[len(self.history) : len(self.history) + steps - done]
            return
        began = time.perf_counter()
        first_work = len(self.history)
        share = sum(self._work[first_work : first_work + steps - done]) / sum(self._work[first_work:])
        stage_deadline = None if self._deadline is None else began + share * (self._deadline - began)
        stage_began = reported = float("-inf")
        for stage_step in range(done + 1, steps + 1):
            self.history.append(optimizer.step(targets, loss_scale))
            if stage_deadline is not None:
                float(self.history[-1].total[0])  # waits for the device, which may lag behind
            now = time.perf_counter()
            self.first_step_done = self.first_step_done or now
            step = len(self.history)
            self._done[-1] = stage_step
            if stage_step == done + 1:
                stage_began = now  # the first step may trace the graph, so it is not timed
            else:
                self.seconds_per_step = (now - stage_began) / (stage_step - done - 1)
                self._seconds_per_work = self.seconds_per_step / self._work[step - 1]
            if stage_deadline is not None and now + self._seconds_per_work * self._work[step - 1] > stage_deadline:
                self.ended_by[-1] = "time budget"
            if self._patience and stage_step % self._patience == 0:
                best = float(optimizer.best_loss)
                if milestone - best < self._min_improvement * abs(milestone):  # false for infinity
                    self.ended_by[-1] = "stall"
                milestone = best
            is_over = stage_step == steps or self.ended_by[-1] != "steps"
            if is_over:
                del self._work[step : step + steps - stage_step]
            is_snapshot = bool(self._snapshot_interval) and step % self._snapshot_interval == 0
            goes_on = True
            if is_snapshot or step == len(self._work) or now - reported >= REPORT_INTERVAL_S:
                reported = now
                goes_on = self._report(step, is_snapshot, optimizer, image)
            if self._checkpoints and (self.stopped or self._checkpoints.is_due()):
                self._keep(self._checkpoints, optimizer, loss_scale, milestone)
            if not goes_on:
                self.ended_by[-1] = "callback" if self.stopped else "not finite"
            if is_over or not goes_on:
                return

    def _keep(
        self, checkpoints: checkpoint.Checkpoints, optimizer: Any, loss_scale: tf.Tensor, milestone: float
    ) -> None:
        """Writes a checkpoint. Where that fails the run goes on: what it still can give is its picture."""
        position = checkpoint.Position(
            done=self._done,
            ended_by=self.ended_by,
            milestone=milestone,
            seconds=time.perf_counter() - self._began,
            resumed_after_steps=self.resumed_after_steps,
        )
        losses = {f"losses/{name}": values for name, values in fetched(self.history).items()}
        try:
            checkpoints.write(position, optimizer.state() | losses | {"loss_scale": loss_scale})
        except errors.OutputError as error:
            self._on_message(f"step {position.steps}: no checkpoint was written; the last one is kept. {error}")

    def _resume(
        self, resumed: checkpoint.Saved, optimizer: Any, targets: objective.Targets, loss_scale: tf.Tensor
    ) -> tuple[tf.Tensor, float]:
        """Puts the optimiser, the history and the place where the checkpoint has them: (loss scale, milestone)."""
        self._resumed = None
        position = resumed.position
        names = [*_NUMBERS, *(f"content/{key}" for key in targets.content), *(f"style/{key}" for key in targets.style)]
        losses = {f"losses/{name}": np.broadcast_to(np.float32(0), position.steps) for name in names}
        state = resumed.state(optimizer.state() | losses | {"loss_scale": loss_scale})
        optimizer.restore(state)
        for step in range(position.steps):
            self.history.append(_unnamed({name: state[f"losses/{name}"][step : step + 1] for name in names}))
        self._done[-1], self.ended_by[-1] = position.done[-1], position.ended_by[-1]
        self.resumed_after_steps = (*position.resumed_after_steps, position.steps)
        self._on_message(f"resuming after step {position.steps} of {len(self._work)}, {position.seconds:.0f} s of work")
        return tf.constant(state["loss_scale"]), position.milestone

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
            steps=len(self._work),
            losses=losses,
            seconds_per_step=self.seconds_per_step,
            seconds_left=self._seconds_per_work * sum(self._work[step:]),
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
