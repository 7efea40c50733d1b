"""What a run reports and returns, and how a result is written to disk."""

import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np

from nst_tf import configs, files, version
from nst_tf.pictures import images

_LIBRARIES = ("tensorflow", "keras", "numpy", "pillow")


class StopStylizing(Exception):
    """Raised by an `on_report` callback to end the run; the result holds the best picture so far."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Progress of a run, as `on_report` receives it.

    Attributes:
        step: evaluations done, from 1.
        steps: evaluations planned.
        losses: total, content, style and total_variation, weighted, at the image this step evaluated; each layer's
            unweighted part as content/conv4_2, style/conv1_1 and so on; gradient_norm, of d total / d image.
        seconds_per_step: mean over the steps of this size after its first; 0 until the second step of all.
        seconds_left: expected time to the end, the larger sizes to come included.
        is_snapshot: whether config.snapshot_interval asks for a snapshot now.
        image: call it, within the callback, for the best image so far, float32 [1, H, W, 3] in [0, 1].
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds_per_step: float
    seconds_left: float
    is_snapshot: bool
    image: Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StyleTransferResult:
    """A stylised picture and how it was made.

    Attributes:
        image: float32 [1, H, W, 3], sRGB in [0, 1]: the best image evaluated.
        alpha: the content picture's transparency, float32 [1, H, W, 1] in [0, 1], or None.
        losses: name -> float32 [steps]; the names are those of `Report.losses`.
        config: the settings of the run.
        best_loss: the objective of `image`.
        steps: evaluations done, over all sizes.
        stages: height_px, width_px and steps planned of each size, coarsest first.
        stopped_early: whether a callback ended the run.
        ended_by: what ended each size that was begun: steps, stall, time budget, callback or not finite.
        diverged_at_step: the step at which the objective left its best value for good, or None.
        seconds: of the whole call, reading the pictures included, building the network not; of a run that was resumed
            also what it had spent before.
        seconds_to_first_step: from the call to the end of the first step.
        seconds_per_step: mean over the steps of the last size after its first.
        resumed_after_steps: the steps after which the run was continued from a checkpoint.
        precision: Keras dtype policy of the network.
        network: network, source, sha256 and licence of the weights; empty where an extractor was given.
        inputs: name, sha256 and size of the content picture and of each style.
    """

    image: np.ndarray
    alpha: np.ndarray | None
    losses: dict[str, np.ndarray]
    config: configs.StyleTransferConfig
    best_loss: float
    steps: int
    stages: tuple[dict[str, int], ...]
    stopped_early: bool
    ended_by: tuple[str, ...] = ()
    diverged_at_step: int | None
    seconds: float
    seconds_to_first_step: float
    seconds_per_step: float
    resumed_after_steps: tuple[int, ...]
    precision: str
    network: dict[str, str]
    inputs: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, fit for JSON."""
        left_out = ("image", "alpha", "losses", "config")
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        record = {name: value for name, value in plain.items() if name not in left_out}
        record["config"] = dataclasses.asdict(self.config)
        record["versions"] = versions()
        record["losses"] = {name: [float(f"{loss:.6g}") for loss in values] for name, values in self.losses.items()}
        return record

    def save(self, path: str | os.PathLike[str], *, bit_depth: int = 8) -> tuple[str, ...]:
        """Writes the picture, in the format its suffix names, and PATH.json beside it.

        Args:
            path: such as out.png; its folder is created.
            bit_depth: 8, or 16 for PNG.

        Returns:
            What the user should know, such as that JPEG has no transparency.

        Raises:
            ImageError: an unknown suffix or a bit depth it does not have.
            OutputError: the file cannot be written; nothing half-written is left.
        """
        return save(path, self.image, self.alpha, self.as_dict(), bit_depth=bit_depth)


def versions() -> dict[str, str]:
    """The versions that a record names."""
    return {"nst_tf": version.__version__, "python": platform.python_version()} | {
        library: importlib.metadata.version(library) for library in _LIBRARIES
    }


def save(
    path: str | os.PathLike[str], image: Any, alpha: Any, record: dict[str, Any], *, bit_depth: int
) -> tuple[str, ...]:
    """Writes a picture, and its record to PATH.json; see `StyleTransferResult.save`."""
    notes = images.save(path, image, alpha=alpha, bit_depth=bit_depth)
    files.write_atomically(f"{os.fspath(path)}.json", json.dumps(record, indent=1, allow_nan=True).encode())
    return notes
