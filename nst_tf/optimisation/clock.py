"""The clock of a run: how long a step takes, what is left, and whether a size has used up its share of the time."""

import time
from collections.abc import Sequence

FIRST_STEP = 2.5  # steps that the first one of a size takes, with its targets and the memory it allocates
# What a step takes whatever its size, to start operations and lay out filters, and at most so much of a step that was
# timed. Measured: benchmarks/RESULTS.md, "The time a run states".
OVERHEAD_S = 0.04
_MOST_OVERHEAD = 0.5
_SUPPOSED_FLOP_PER_S = 5e11  # until steps are timed: what sizes are given of a limited time rests on it


class Clock:
    """Times the steps of a run over all its sizes. Times are those of `time.perf_counter`.

    Args:
        flop: floating-point operations of a step of each size.
        steps: of each size.
        deadline: when the run is to be over; None for no limit.

    Attributes:
        first_step_done: the time after the first step of all; None before it.
        seconds_per_step: mean over the steps of this size after its first, which may trace a graph; 0 until then.
    """

    def __init__(self, flop: Sequence[float], steps: Sequence[int], *, deadline: float | None = None) -> None:
        self._work: list[tuple[float, float]] = []  # of every step: how many like it it takes, and the flop of one
        for of_size, count in zip(flop, steps, strict=True):
            self._work += [(FIRST_STEP, of_size), *[(1.0, of_size)] * (count - 1)][:count]
        self._deadline = deadline
        self._stage_deadline: float | None = None
        self._steps = 0  # of this size, since the clock was started
        self._stage_started = 0.0
        self._overhead_s, self._seconds_per_flop = OVERHEAD_S, 1 / _SUPPOSED_FLOP_PER_S
        self.first_step_done: float | None = None
        self.seconds_per_step = 0.0

    @property
    def steps(self) -> int:
        """Steps of the whole run, as far as it is known: a size may end early."""
        return len(self._work)

    @property
    def has_deadline(self) -> bool:
        """Whether time is limited."""
        return self._deadline is not None

    @property
    def timed(self) -> int:
        """Steps of this size behind `seconds_per_step`."""
        return max(0, self._steps - 1)

    def start_stage(self, step: int, steps: int) -> None:
        """Starts a size: its share of the time left is that of its work.

        Args:
            step: steps of the run that are done.
            steps: that this size still has.
        """
        self._steps = 0
        if self._deadline is not None:
            now = time.perf_counter()
            share = self._seconds(step, step + steps) / self._seconds(step, self.steps)
            self._stage_deadline = now + share * (self._deadline - now)

    def tick(self, step: int) -> float:
        """Notes that a step of the run is done, counted from 1; returns the time."""
        now = time.perf_counter()
        self.first_step_done = self.first_step_done or now
        self._steps += 1
        if self._steps == 1:
            self._stage_started = now
        else:
            self.seconds_per_step = (now - self._stage_started) / (self._steps - 1)
            self._overhead_s = min(OVERHEAD_S, self.seconds_per_step * _MOST_OVERHEAD)
            self._seconds_per_flop = (self.seconds_per_step - self._overhead_s) / self._work[step - 1][1]
        return now

    def is_late(self, step: int, now: float) -> bool:
        """Whether one more step like the last one would end after this size's share of the time."""
        if self._stage_deadline is None:
            return False
        following = min(step, self.steps - 1)
        expected = self._seconds(following, following + 1) if self.seconds_per_step else 0.0
        return now + expected > self._stage_deadline

    def drop(self, step: int, steps: int) -> None:
        """Takes out steps that will not be taken, those after a step."""
        del self._work[step : step + steps]

    def seconds_left(self, step: int) -> float:
        """Expected time after a step to the end of the run; 0 until steps are timed."""
        return self._seconds(step, self.steps) if self.seconds_per_step else 0.0

    def _seconds(self, start: int, end: int) -> float:
        """Expected time of the steps from one index up to another."""
        work = self._work[start:end]
        return sum(count * (self._overhead_s + flop * self._seconds_per_flop) for count, flop in work)


def duration(seconds: float) -> str:
    """A time as people say it: about 40 s, about 2.5 min, about 20 min."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.1f} min" if seconds < 600 else f"about {seconds / 60:.0f} min"
