"""Progress of a run on stderr: a bar on a terminal, plain lines elsewhere."""

import shutil
import sys
import time

from nst_tf import results

from . import streams

PLAIN_INTERVAL_S = 10.0  # between two lines if the output is not a terminal
BAR_WIDTH = 24


class Progress:
    """Shows the reports of a run on stderr; a terminal gets a bar."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._last_line_s = float("-inf")
        self._has_line = False

    def show(self, report: results.Report, label: str = "step") -> None:
        """Redraws the bar, or prints a line if the last one is old enough or the run is over.

        Args:
            report: the progress of the run.
            label: what runs; a terminal's bar shows it if it differs from the default.
        """
        terms = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in report.terms.items() if value)
        text = f"{report.step}/{report.steps}"
        if report.seconds_per_step:  # before the terms, which a narrow terminal cuts off
            text += f"  {report.seconds_per_step:.2f} s/step  {_clock(report.seconds_left)} left"
        text += f"  loss {report.losses['total']:.4g} ({terms})"
        shown = text if label == "step" else f"{label} {text}"
        self._draw(report.step / report.steps, shown, f"{label} {text}")

    def show_count(self, done: int, count: int | None, seconds_each: float, seconds_left: float | None) -> None:
        """The same for things that are counted, such as the frames of a film.

        Args:
            done: so far, from 1.
            count: of all; None where it is not known.
            seconds_each: on average.
            seconds_left: expected; None where it is not known.
        """
        text = f"{done}/{count}" if count else f"{done}"
        text += f"  {seconds_each:.2f} s/frame" if seconds_each else ""
        text += "" if seconds_left is None else f"  {_clock(seconds_left)} left"
        self._draw(min(done / count, 1.0) if count else 0.0, text, f"frame {text}")

    def close(self) -> None:
        """Ends the bar's line."""
        if self._is_terminal and self._has_line:
            streams.write("\n")
        self._has_line = False

    def _draw(self, share: float, beside_bar: str, alone: str) -> None:
        if self._is_terminal:
            filled = round(BAR_WIDTH * share)
            bar = "█" * filled + "░" * (BAR_WIDTH - filled)
            columns = shutil.get_terminal_size().columns - 1
            streams.write(f"\r{f'{bar} {beside_bar}'[:columns]:<{columns}}")
            self._has_line = True
            return
        now = time.monotonic()
        if now - self._last_line_s < PLAIN_INTERVAL_S and share < 1:
            return
        self._last_line_s = now
        streams.tell(alone)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
