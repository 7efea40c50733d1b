"""The unfinished film beside its output: finished segments, and what the next frame depends on.

OUTPUT.parts holds a file for each segment, `state.npz`, and `film.json` with what makes it the same film.
"""

import io
import json
import os
import pathlib
import shutil
import zipfile
from typing import Any, NamedTuple

import numpy as np

from nst_tf import errors, files

_FILM, _STATE = "film.json", "state.npz"
_NUMBERS = ("segments", "frames", "end")


class Position(NamedTuple):
    """How far a film is."""

    segments: int = 0  # finished
    frames: int = 0  # in them
    end: int = 0  # when the last of them ends, in units of the film's time base


def folder_of(output: str | os.PathLike[str]) -> pathlib.Path:
    """The folder of a film's unfinished parts."""
    path = pathlib.Path(output)
    return path.with_name(f"{path.name}.parts")


class Parts:
    """The folder of an unfinished film.

    Args:
        output: the film that it will become.
        identity: what the frames depend on, fit for JSON.
    """

    def __init__(self, output: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        self.folder = folder_of(output)
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))

    def begin(self) -> tuple[Position, dict[str, np.ndarray]]:
        """Where to continue, and the state there; the start and no state for a film that was not begun.

        Raises:
            OutputError: the folder is of another film or damaged, or cannot be written.
        """
        if not (self.folder / _FILM).exists():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise self._refused("a folder of other files")
            files.write_atomically(self.folder / _FILM, json.dumps(self._identity, indent=1).encode())
            return Position(), {}
        try:
            known = json.loads((self.folder / _FILM).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._refused(errors.one_line(error)) from error
        if not isinstance(known, dict):
            raise self._refused("a damaged film.json")
        if known != self._identity:
            differing = [name for name in self._identity if known.get(name) != self._identity[name]]
            raise self._refused(f"one that differs in its {' and '.join(differing) or 'version'}")
        for number in range(10**6):
            files.remove_leftovers(self.segment(number))
            if not self.segment(number).exists():
                break
        if not (self.folder / _STATE).exists():
            return Position(), {}
        try:
            with np.load(self.folder / _STATE, allow_pickle=False) as archive:
                state = {name: archive[name] for name in archive.files}
            position = Position(*(int(state.pop(f"position/{name}")) for name in _NUMBERS))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise self._refused(f"a damaged {_STATE}") from error
        return position, state

    def segment(self, number: int) -> pathlib.Path:
        """The file of a segment, from 0."""
        return self.folder / f"{number:05}.nut"

    def save(self, position: Position, state: dict[str, np.ndarray]) -> None:
        """Records that the segments up to a position are finished, and what the next frame depends on.

        Raises:
            OutputError: it cannot be written; the last record is kept.
        """
        numbers = {f"position/{name}": np.int64(value) for name, value in position._asdict().items()}
        buffer = io.BytesIO()
        np.savez(buffer, **numbers, **state)  # type: ignore[arg-type]
        files.write_atomically(self.folder / _STATE, buffer.getvalue())

    def remove(self) -> None:
        """Removes the folder, once the film is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _refused(self, received: str) -> errors.OutputError:
        return errors.OutputError(
            f"{self.folder}: the unfinished film must be of the same film and settings. Received: {received}. Give the "
            "flags that it was begun with, remove the folder, or choose another output."
        )
