import pytest

from nst_tf import configs
from nst_tf.optimisation import clock, memory_plan


class Steps:
    """A clock whose time is that of steps that take given seconds."""

    def __init__(self, monkeypatch, flop, steps):
        self._now = 0.0
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self._now)
        self.clock = clock.Clock(flop, steps)
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
        steps.take(step, 0.54)
    larger = clock.OVERHEAD_S + 4 * 0.5
    assert steps.clock.seconds_left(4) == pytest.approx(6 * 0.54 + (4 + clock.FIRST_STEP) * larger)


@pytest.mark.parametrize(
    ("counts", "seconds"),
    [((80, 20, 30), (0.0725, 0.18, 0.57)), ((80, 21, 29), (0.20, 0.65, 2.63))],
    ids=["bfloat16 with AMX", "float32 with AVX2"],
)
def test_three_steps_of_the_coarsest_size_tell_the_time_of_a_run_within_a_quarter(monkeypatch, counts, seconds):
    """Temple at 512 px, three sizes, seconds of a step on two kinds of CPU: benchmarks/RESULTS.md, 2026-11-28."""
    flop = [flop_of(height_px, width_px) for height_px, width_px in ((96, 128), (176, 256), (352, 512))]
    steps = Steps(monkeypatch, flop, counts)
    for step in (1, 2, 3, 4):
        steps.take(step, seconds[0])
    left = (counts[0] - 4, counts[1] + 1.5, counts[2] + 1.5)
    took = sum(count * each for count, each in zip(left, seconds, strict=True))
    assert steps.clock.seconds_left(4) == pytest.approx(took, rel=0.12)


def test_a_step_of_less_time_than_any_overhead_leaves_time_for_its_arithmetic(monkeypatch):
    steps = Steps(monkeypatch, [1e9, 4e9], [10, 5])
    for step in (1, 2, 3, 4):
        steps.take(step, 0.01)
    later = (4 + clock.FIRST_STEP) * (0.005 + 4 * 0.005)
    assert steps.clock.seconds_left(4) == pytest.approx(6 * 0.01 + later)


def test_nothing_is_told_before_a_step_was_timed(monkeypatch):
    steps = Steps(monkeypatch, [1e9], [10])
    assert steps.clock.seconds_left(0) == 0
    steps.take(1, 8.0)
    assert steps.clock.seconds_left(1) == 0


def flop_of(height_px, width_px):
    return memory_plan.plan(configs.preset("default"), "float32", height_px, width_px, float("inf")).step_flop
