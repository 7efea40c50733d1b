"""The steps of a run: taking them, timing them, and reporting them to whoever listens."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import objective, results, schedule

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


class Loop:
    """Runs the stages of one stylisation. Nothing is fetched from the device between two reports.

    Args:
        stages: all of them, for the time left.
        snapshot_interval: steps between snapshots; 0 for none.
        on_report: as for `transfer.stylize`.
        on_message: as for `transfer.stylize`.
        work: of a step of each stage, in any unit; the number of pixels when left out.
        patience: as config.patience.
        min_improvement: as config.min_improvement.
        deadline: `time.perf_counter()` at which the run is to be over.

    Attributes:
        history: the terms of every step so far, still on the device.
        seconds: of each stage so far, from its first step to its last.
        first_step_done: `time.perf_counter()` after the first step of all.
        stopped: whether the callback ended the run.
        ended_by: what ended each stage so far: steps, stall, time budget, callback or not finite.
    """

    def __init__(
        self,
        stages: Sequence[schedule.Stage],
        snapshot_interval: int,
        on_report: OnReport | None,
        on_message: OnMessage,
        *,
        work: Sequence[float] | None = None,
        patience: int = 0,
        min_improvement: float = 0.0,
        deadline: float | None = None,
    ) -> None:
        self.history: list[objective.Terms] = []
        self.first_step_done: float | None = None
        self.stopped = False
        self.ended_by: list[str] = []
        self.seconds_per_step = 0.0
        works = work or [float(stage.height_px * stage.width_px) for stage in stages]
        self._work = [works[index] for index, stage in enumerate(stages) for _ in range(stage.steps)]
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

        Args:
            optimizer: started.
            targets: of this stage.
            loss_scale: see `Objective.terms_and_gradient`.
            steps: of this stage.
            image: the best image so far, for the reports.
        """
        began = time.perf_counter()
        first_work = len(self.history)
        share = sum(self._work[first_work : first_work + steps]) / sum(self._work[first_work:])
        stage_deadline = None if self._deadline is None else began + share * (self._deadline - began)
        stage_began = reported = float("-inf")
        milestone = float("inf")  # the best objective `patience` steps ago
        self.ended_by.append("steps")
        for stage_step in range(1, steps + 1):
            self.history.append(optimizer.step(targets, loss_scale))
            if stage_deadline is not None:
                float(self.history[-1].total[0])  # waits for the device, which may lag behind
            now = time.perf_counter()
            self.first_step_done = self.first_step_done or now
            step = len(self.history)
            if stage_step == 1:
                stage_began = now  # the first step may trace the graph, so it is not timed
            else:
                self.seconds_per_step = (now - stage_began) / (stage_step - 1)
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
            if is_snapshot or step == len(self._work) or now - reported >= REPORT_INTERVAL_S:
                reported = now
                if not self._report(step, is_snapshot, optimizer, image):
                    self.ended_by[-1] = "callback" if self.stopped else "not finite"
                    return
            if is_over:
                return

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
