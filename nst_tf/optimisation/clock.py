"""The clock of a run: how long a step takes, what is left, and whether a size has used up its share of the time."""

import time
from collections.abc import Sequence

FIRST_STEP = 2.5  # steps that the first one of a size takes, with its targets and the memory it allocates


class Clock:
    """Times the steps of a run over all its sizes. Times are those of `time.perf_counter`.

    Args:
        work: of a step of each size, in any unit.
        steps: of each size.
        deadline: when the run is to be over; None for no limit.

    Attributes:
        first_step_done: the time after the first step of all; None before it.
        seconds_per_step: mean over the steps of this size after its first, which may trace a graph; 0 until then.
    """

    def __init__(self, work: Sequence[float], steps: Sequence[int], *, deadline: float | None = None) -> None:
        self._work: list[float] = []  # of every step
        for of_size, count in zip(work, steps, strict=True):
            self._work += [of_size * FIRST_STEP, *[of_size] * (count - 1)][:count]
        self._deadline = deadline
        self._stage_deadline: float | None = None
        self._steps = 0  # of this size, since the clock was started
        self._stage_started = 0.0
        self._seconds_per_work = 0.0
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
            share = sum(self._work[step : step + steps]) / sum(self._work[step:])
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
            self._seconds_per_work = self.seconds_per_step / self._work[step - 1]
        return now

    def is_late(self, step: int, now: float) -> bool:
        """Whether one more step like the last one would end after this size's share of the time."""
        if self._stage_deadline is None:
            return False
        return now + self._seconds_per_work * self._work[min(step, self.steps - 1)] > self._stage_deadline

    def drop(self, step: int, steps: int) -> None:
        """Takes out steps that will not be taken, those after a step."""
        del self._work[step : step + steps]

    def seconds_left(self, step: int) -> float:
        """Expected time after a step to the end of the run."""
        return self._seconds_per_work * sum(self._work[step:])


def duration(seconds: float) -> str:
    """A time as people say it: about 40 s, about 2.5 min, about 20 min."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.1f} min" if seconds < 600 else f"about {seconds / 60:.0f} min"
