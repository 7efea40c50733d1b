"""The errors that a user can cause or fix. Each message says the rule, what was received and how to fix it."""

import difflib
import importlib.util
from collections.abc import Iterable


class NstError(Exception):
    """Base of every error that nst_tf raises on purpose. The command line prints it in one line and exits 2."""

    __init__ = Exception.__init__  # with any other one, AutoGraph raises its own error in place of ours while tracing


class ConfigError(NstError, ValueError):
    """A setting that is out of range, unknown or contradicts another one."""


class ImageError(NstError, ValueError):
    """A picture that cannot be read, is not a picture, or does not fit the job."""


class VideoError(NstError, ValueError):
    """A film that cannot be read, has no pictures, or is of a kind that would lose colours silently."""


class OutputError(NstError, OSError):
    """A result that cannot be written where it was asked for."""


class CheckpointError(NstError):
    """A checkpoint that is absent, damaged, or of another run than the one that asks for it."""


class WeightsError(NstError):
    """Network weights that cannot be obtained, fail their hash, or are not VGG-19."""


class StyleError(NstError, ValueError):
    """A learned style that cannot be read, is of another network, or is not there."""


class MemoryBudgetError(NstError, MemoryError):
    """A picture that does not fit into the memory allowed, whole or in tiles."""


class ExportError(NstError):
    """A bundle that cannot be made, or that failed its check and was removed."""


class ServingError(NstError):
    """A server that cannot be reached, or that refused a request."""


class RunnerError(NstError):
    """A Beam runner that failed; the pictures are not to blame."""


class CountError(NstError):
    """A job at whose end some pictures were neither written nor found nor listed as failed."""


def did_you_mean(received: str, choices: Iterable[str]) -> str:
    """A question that names the choice most like what was received, with a space before it; empty if none is."""
    similar = difflib.get_close_matches(received, list(choices), n=1)
    return f" Did you mean {similar[0]}?" if similar else ""


def need_package(
    user: str, module: str, package: str, extra: str, *, otherwise: str = "", kind: type[NstError] = NstError
) -> None:
    """Finds out before any work whether an optional package is installed.

    Args:
        user: what needs it, with its verb, such as `films need`.
        module: as Python imports it.
        package: as pip names it.
        extra: of nst-tf, that brings it along.
        otherwise: what can be done without it, as the end of the message's last sentence.
        kind: of the error.

    Raises:
        NstError: of that kind, where it is missing.
    """
    if importlib.util.find_spec(module) is None:
        raise kind(
            f"{user} the package {package}. Received: an environment without it. "
            f"Run `pip install 'nst-tf[{extra}]'`{otherwise}."
        )


def not_enough_memory(width_px: int, height_px: int, fix: str = "Use a smaller max_side_px (--size).") -> NstError:
    """The error of a size for which TensorFlow found no memory."""
    return NstError(f"there is not enough memory for {width_px} x {height_px} px. {fix}")


def one_line(message: object, *, max_characters: int = 300) -> str:
    """A message from elsewhere, on one line and not too long to stand inside one of ours."""
    return " ".join(str(message).split())[:max_characters]
