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

    Attributes:
        history: the terms of every step so far, still on the device.
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
    ) -> None:
        self.history: list[objective.Terms] = []
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

        Args:
            optimizer: started.
            targets: of this stage.
            loss_scale: see `Objective.terms_and_gradient`.
            steps: of this stage.
            image: the best image so far, for the reports.
        """
        stage_began = reported = float("-inf")
        for stage_step in range(1, steps + 1):
            self.history.append(optimizer.step(targets, loss_scale))
            now = time.perf_counter()
            self.first_step_done = self.first_step_done or now
            if stage_step == 1:
                stage_began = now  # the first step may trace the graph, so it is not timed
            else:
                self.seconds_per_step = (now - stage_began) / (stage_step - 1)
                self._seconds_per_pixel = self.seconds_per_step / self._pixel_steps[len(self.history) - 1]
            step = len(self.history)
            is_snapshot = bool(self._snapshot_interval) and step % self._snapshot_interval == 0
            if not is_snapshot and step < len(self._pixel_steps) and now - reported < REPORT_INTERVAL_S:
                continue
            reported = now
            if not self._report(step, is_snapshot, optimizer, image):
                break

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
