import time

import pytest
import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import objective
from nst_tf.optimisation import loop, memory_plan, stages

clock_s = [0.0]


@pytest.fixture(autouse=True)
def _a_clock_of_its_own(monkeypatch):
    """Time that passes in steps alone: nothing depends on what else the machine does."""
    monkeypatch.setattr(time, "perf_counter", lambda: clock_s[0])


class Falling:
    """An optimiser whose objective takes given values, each after so many seconds."""

    recovers = True

    def __init__(self, values, seconds=0.0):
        self._values = iter(values)
        self._seconds = seconds
        self.best_loss = float("inf")

    def step(self, targets, loss_scale):
        clock_s[0] += self._seconds
        value = next(self._values)
        self.best_loss = min(self.best_loss, value)
        total = tf.constant([value])
        return objective.Terms(total, {"content": total}, {})


def stage(height_px, width_px, steps, work=None):
    work = 1e12 * height_px * width_px if work is None else work
    plan = memory_plan.Plan(height_px, width_px, height_px, width_px, lbfgs_memory=1, peak_bytes=0, step_flop=work)
    return stages.Stage(height_px, width_px, steps, plan)


def run(optimizers, sizes, *, time_budget_s=None, **settings):
    reports = []
    config = configs.preset("default", time_budget_s=time_budget_s, **settings)
    planned = [stage(*size) for size in sizes]
    steps = loop.Loop(planned, ["total"], config, started=time.perf_counter(), on_report=reports.append)
    for optimizer, size in zip(optimizers, planned, strict=True):
        steps.run(optimizer, {}, tf.constant(1.0), size.steps, lambda: None)
    return steps, reports


def test_a_stage_ends_when_the_objective_stalls():
    steps, _ = run(
        [Falling([8.0, 4.0, 2.0, 1.0, 0.999, 0.999, 0.999, 0.999])], [(1, 1, 8)], patience=2, min_improvement=0.01
    )
    assert steps.position.ended_by == ["stall"]
    assert len(steps.history) == 6


def test_a_stall_ends_its_own_size_only():
    sizes = [(1, 1, 9), (2, 2, 5)]
    steps, reports = run(
        [Falling([1.0] * 9), Falling([9.0, 8.0, 7.0, 6.0, 5.0])], sizes, patience=2, min_improvement=0.01
    )
    assert steps.position.ended_by == ["stall", "steps"]
    assert len(steps.history) == 4 + 5
    assert reports[-1].step == reports[-1].steps == 9
    assert reports[-1].seconds_left == 0


def test_without_patience_a_flat_objective_goes_on():
    steps, _ = run([Falling([1.0] * 9)], [(1, 1, 9)])
    assert steps.position.ended_by == ["steps"]


def test_a_time_budget_ends_the_run_in_time_and_reaches_the_full_size():
    sizes = [(10, 10, 1000), (20, 20, 1000)]
    began = time.perf_counter()
    steps, reports = run(
        [Falling(range(2000, 0, -1), 0.01), Falling(range(2000, 0, -1), 0.04)], sizes, time_budget_s=1.0
    )
    assert time.perf_counter() - began <= 1.0
    assert steps.position.ended_by == ["time budget", "time budget"]
    counts = [sum(1 for report in reports if report.steps > 1000), len(steps.history)]
    assert counts[0] > 0
    assert reports[-1].step == reports[-1].steps == len(steps.history)


def test_each_size_has_its_share_of_the_time_budget():
    optimizers = [Falling(range(2000, 0, -1), 0.01) for _ in range(2)]
    sizes = [(10, 10, 100, 1e12), (10, 10, 100, 4e12)]
    steps, _ = run(optimizers, sizes, time_budget_s=1.0)
    assert steps.position.done[1] > 2 * steps.position.done[0]


def test_every_size_has_one_evaluation_even_when_the_time_is_up():
    sizes = [(1, 1, 5), (2, 2, 5)]
    steps, _ = run([Falling([3.0] * 5, 0.01), Falling([2.0] * 5, 0.01)], sizes, time_budget_s=1e-9)
    assert len(steps.history) == 2
    assert steps.position.ended_by == ["time budget", "time budget"]
