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

    def show(self, report: results.Report, label: str = "step") -> None:
        """Redraws the bar, or prints a line if the last one is old enough or the run is over.

        Args:
            report: the progress of the run.
            label: what runs; a terminal's bar shows it if it differs from the default.
        """
        terms = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in report.terms.items() if value)
        text = f"{report.step}/{report.steps}  loss {report.losses['total']:.4g} ({terms})"
        if report.seconds_per_step:
            text += f"  {report.seconds_per_step:.2f} s/step  {_clock(report.seconds_left)} left"
        if self._is_terminal:
            filled = round(BAR_WIDTH * report.step / report.steps)
            bar = "█" * filled + "░" * (BAR_WIDTH - filled)
            columns = shutil.get_terminal_size().columns - 1
            shown = text if label == "step" else f"{label} {text}"
            streams.write(f"\r{f'{bar} {shown}'[:columns]:<{columns}}")
        else:
            now = time.monotonic()
            if now - self._last_line_s < PLAIN_INTERVAL_S and report.step < report.steps:
                return
            self._last_line_s = now
            streams.tell(f"{label} {text}")

    def close(self) -> None:
        """Ends the bar's line."""
        if self._is_terminal:
            streams.write("\n")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
