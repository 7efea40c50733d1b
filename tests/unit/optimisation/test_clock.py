import pytest

from nst_tf import configs
from nst_tf.optimisation import clock, memory_plan, stages


class Steps:
    """A clock whose time is that of steps that take given seconds."""

    def __init__(self, monkeypatch, work, steps):
        self._now = 0.0
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self._now)
        self.clock = clock.Clock(work, steps)
        self.clock.start_stage(0, steps[0])

    def take(self, step, seconds):
        self._now += seconds
        self.clock.tick(step)


def test_the_first_step_which_traces_tells_nothing_of_the_time_left(monkeypatch):
    steps = Steps(monkeypatch, [2.0], [10])
    steps.take(1, 8.0)
    for step in (2, 3, 4):
        steps.take(step, 0.5)
    assert steps.clock.seconds_left(4) == pytest.approx(6 * 0.5)


def test_a_larger_size_takes_its_work_and_a_first_step_that_is_longer(monkeypatch):
    steps = Steps(monkeypatch, [2.0, 8.0], [10, 5])
    for step in (1, 2, 3, 4):
        steps.take(step, 0.5)
    assert steps.clock.seconds_left(4) == pytest.approx(6 * 0.5 + (4 + clock.FIRST_STEP) * 2.0)


@pytest.mark.parametrize("seconds", [(0.162, 0.422, 1.351), (0.247, 0.639, 2.422)], ids=["bfloat16", "float32"])
def test_three_steps_of_the_coarsest_size_tell_the_time_of_a_run_within_a_quarter(monkeypatch, seconds):
    """CPU seconds of steps at 128, 256 and 512 px and of a size's first step: benchmarks/RESULTS.md, 2026-11-27."""
    counts = (100, 25, 30)
    steps = Steps(monkeypatch, [work_of(side_px) for side_px in (128, 256, 512)], counts)
    for step in (1, 2, 3, 4):
        steps.take(step, seconds[0])
    left = (counts[0] - 4, counts[1] + 1.5, counts[2] + 1.5)
    took = sum(count * each for count, each in zip(left, seconds, strict=True))
    assert steps.clock.seconds_left(4) == pytest.approx(took, rel=0.25)


def work_of(side_px):
    plan = memory_plan.plan(configs.preset("default"), "float32", side_px, side_px, float("inf"))
    return stages.Stage(side_px, side_px, 1, plan).work
