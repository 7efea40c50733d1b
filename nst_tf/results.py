"""What every method reports and returns: engines, reports, results, and how a result is written to disk."""

import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from nst_tf import errors, files, messages, version
from nst_tf.pictures import images, inputs

_LIBRARIES = ("tensorflow", "keras", "numpy", "pillow")


class StopStylizing(Exception):
    """Raised by an `on_report` callback to end the run; the result holds the best picture so far."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Progress of a run, as `on_report` receives it.

    Attributes:
        step: evaluations done, from 1.
        steps: evaluations planned.
        losses: total and each term of the objective (content, style, total_variation), weighted, at the image this step
            evaluated; each layer's unweighted part as content/conv4_2, style/conv1_1 and so on; gradient_norm, of
            d total / d image.
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

    @property
    def terms(self) -> dict[str, float]:
        """The weighted terms alone; total is their sum."""
        others = ("total", "gradient_norm")
        return {name: loss for name, loss in self.losses.items() if "/" not in name and name not in others}


OnReport = Callable[[Report], None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A stylised picture and how it was made, by whatever method.

    Attributes:
        method: the method's name, as `--method` takes it.
        image: float32 [1, H, W, 3], sRGB in [0, 1].
        alpha: the content picture's transparency, float32 [1, H, W, 1] in [0, 1], or None.
        config: the settings.
        seconds: of the whole call.
        precision: Keras dtype policy of the network.
        network: where its weights come from: source, sha256 and licence.
        inputs: name, sha256 and size of the content picture, of each style and of each mask.
    """

    method: ClassVar[str]

    image: np.ndarray
    alpha: np.ndarray | None
    config: Any
    seconds: float
    precision: str
    network: dict[str, Any]
    inputs: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, fit for JSON; the same form for every method."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        record = {name: value for name, value in plain.items() if name not in ("image", "alpha", "config")}
        return {"method": self.method, **record, "config": dataclasses.asdict(self.config), "versions": versions()}

    def save(self, path: str | os.PathLike[str], *, bit_depth: int = 8) -> tuple[str, ...]:
        """Writes the picture, in the format its suffix names, and its record to PATH.json.

        Args:
            path: such as out.png; its folder is created.
            bit_depth: 8, or 16 for PNG.

        Returns:
            What the user should know: that JPEG has no transparency, or that the record could not be written.

        Raises:
            OutputError: an unknown suffix, a bit depth it does not have, or the picture cannot be written; nothing
                half-written is left.
        """
        notes = images.save(path, self.image, alpha=self.alpha, bit_depth=bit_depth)
        record = json.dumps(self.as_dict(), indent=1, allow_nan=True)
        try:
            files.write_atomically(record_path(path), record.encode())
        except errors.OutputError as error:  # the picture, perhaps of hours, is there
            return (*notes, f"the record is missing. {error}")
        return notes


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StyleTransferResult(Result):
    """A picture stylised by optimisation, and how it was made.

    Attributes:
        losses: name -> float32 [steps]; the names are those of `Report.losses`.
        best_loss: the objective of `image`, the best image evaluated, before the guided filter.
        steps: evaluations done, over all sizes.
        stages: height_px, width_px and steps planned of each size, coarsest first.
        stopped_early: whether a callback ended the run.
        ended_by: what ended each size that was started: steps, stall, stillness, time budget, callback or not finite.
        diverged_at_step: the step at which the objective left its best value for good, or None.
        seconds_to_first_step: from the call to the end of the first step.
        seconds_per_step: mean over the steps of the last size after its first.
        resumed_after_steps: the steps after which the run was continued from a checkpoint.
        convolution: the form in which the network's convolutions were computed.

    `seconds` includes reading the pictures, not building the network; of a resumed run also what it had spent before.
    `network` is empty where an extractor was given.
    """

    method: ClassVar[str] = "gatys"

    losses: dict[str, np.ndarray]
    best_loss: float
    steps: int
    stages: tuple[dict[str, int], ...]
    stopped_early: bool
    ended_by: tuple[str, ...] = ()
    diverged_at_step: int | None
    seconds_to_first_step: float
    seconds_per_step: float
    resumed_after_steps: tuple[int, ...]
    convolution: str

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, fit for JSON; losses with six digits."""
        losses = {name: [float(f"{loss:.6g}") for loss in values] for name, values in self.losses.items()}
        return super().as_dict() | {"losses": losses}


def record_path(path: str | os.PathLike[str]) -> str:
    """Where the record of a picture goes."""
    return f"{os.fspath(path)}.json"


def check_writable(path: str | os.PathLike[str], *, bit_depth: int = 8) -> None:
    """Finds out before hours of work whether `Result.save` will be allowed to write a picture and its record.

    Raises:
        OutputError: as `images.check_writable`, of either.
    """
    images.check_writable(path, bit_depth=bit_depth)
    files.check_writable(record_path(path))


class Engine(Protocol):
    """A method with its configuration, made ready: networks and traced functions are kept from picture to picture."""

    config: Any

    def __call__(
        self,
        content: inputs.Source,
        style: inputs.Source | Sequence[inputs.Source],
        *,
        on_message: messages.OnMessage = messages.log,
    ) -> Result:
        """Stylises one picture; a method may take more keyword arguments."""
        ...


def versions() -> dict[str, str]:
    """The versions that a record names."""
    return {"nst_tf": version.__version__, "python": platform.python_version()} | {
        library: importlib.metadata.version(library) for library in _LIBRARIES
    }
