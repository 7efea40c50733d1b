"""A run as TensorBoard shows it: losses by layer, the gradient's norm, the picture on its way, and the settings."""

import dataclasses
import os
from typing import Any

import tensorflow as tf

from nst_tf import configs, errors, files, results

IMAGES = 20  # pictures of a run, evenly spaced over its steps, and the last one


def check_installed() -> None:
    """Finds out before any work whether TensorFlow can write summaries.

    Raises:
        NstError: the package tensorboard, which TensorFlow no longer brings along, is missing.
    """
    errors.need_package(
        "a log folder needs", "tensorboard", "tensorboard", "tensorboard", otherwise=" or leave out --logdir"
    )


class TensorBoardLog:
    """An `on_report` callback that writes the events of one run.

    Every report writes the losses and the gradient's norm at its step, and a picture when the next one is due.

    Args:
        logdir: the folder of this run; `tensorboard --logdir` on its parent compares runs.
        config: of the run, shown as text.

    Raises:
        NstError: the package tensorboard is missing.
        OutputError: the folder cannot be written.
    """

    def __init__(self, logdir: str | os.PathLike[str], config: configs.StyleTransferConfig) -> None:
        check_installed()
        files.check_writable(os.path.join(logdir, "events"))
        self._writer = tf.summary.create_file_writer(os.fspath(logdir))
        self._next_picture = 1
        with self._writer.as_default(step=0):
            tf.summary.text("config", _table(dataclasses.asdict(config)))

    def __call__(self, report: results.Report) -> None:
        """Writes one report."""
        with self._writer.as_default(step=report.step):
            for name, value in report.losses.items():
                tf.summary.scalar(_tag(name), value)
            tf.summary.scalar(_tag("seconds_per_step"), report.seconds_per_step)
            if report.step >= self._next_picture or report.step == report.steps:
                tf.summary.image("picture", report.image())
                self._next_picture = report.step + max(1, report.steps // IMAGES)
        if report.step == report.steps:
            self._writer.flush()

    def close(self) -> None:
        """Ends the file; what was reported is complete on disk then."""
        self._writer.close()


def _tag(name: str) -> str:
    """TensorBoard groups charts by the text before the slash."""
    return f"layers/{name.replace('/', ' ')}" if "/" in name else f"run/{name}"


def _table(settings: dict[str, Any]) -> str:
    return "\n".join(["|setting|value|", "|---|---|", *(f"|{name}|{value}|" for name, value in settings.items())])
