"""The checkpoint of a run: one file with all that the rest of the run depends on. Imports no TensorFlow.

The file, little-endian: MAGIC, the length of the header (uint64), the header's sha256, the header (JSON), the arrays
one after the other, the sha256 of all before. Nothing in it is ever executed, and a size is believed only where it fits
both the file and the run.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nst_tf import configs, errors, files

FILE_NAME = "stylize.checkpoint"
MAGIC = b"NSTCKPT1"
_PREFIX_BYTES = len(MAGIC) + 8 + 32
_MAX_HEADER_BYTES = 2**20
_DTYPES = ("float32", "float64", "int32", "int64")


BY_STEPS = "steps"  # how a size ends that takes all its steps


@dataclasses.dataclass(kw_only=True)
class Position:
    """How far a run is: the state of its loop.

    Attributes:
        done: steps done at each size that was started.
        ended_by: what ended each of them so far; `BY_STEPS` where nothing else did.
        milestone: the best objective `patience` steps ago; infinite for none.
        seconds: spent on the run.
        resumed_after_steps: where the run was continued before.
    """

    done: list[int] = dataclasses.field(default_factory=list)
    ended_by: list[str] = dataclasses.field(default_factory=list)
    milestone: float = math.inf
    seconds: float = 0.0
    resumed_after_steps: list[int] = dataclasses.field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps done at all sizes."""
        return sum(self.done)

    def start_stage(self) -> None:
        """Goes to the next size."""
        self.done.append(0)
        self.ended_by.append(BY_STEPS)
        self.milestone = math.inf

    def before_its_last_stage(self) -> "Position":
        """A copy from before the size that was interrupted was started."""
        return dataclasses.replace(self, done=self.done[:-1], ended_by=self.ended_by[:-1], resumed_after_steps=[])

    def resumed(self) -> "Position":
        """A copy that notes that the run is continued here."""
        return dataclasses.replace(
            self,
            done=list(self.done),
            ended_by=list(self.ended_by),
            resumed_after_steps=[*self.resumed_after_steps, self.steps],
        )


class Identity(NamedTuple):
    """What a run is recognised by, as name -> value fit for JSON."""

    run: dict[str, Any]  # what must be the same when it is resumed
    machine: dict[str, Any]  # what may differ at the price of the last bits


class _Array(NamedTuple):
    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Saved(NamedTuple):
    """A checkpoint after its header was read."""

    path: pathlib.Path
    identity: Identity
    budget_bytes: float  # of memory, that the run was planned with
    position: Position
    arrays: tuple[_Array, ...]

    def state(self, like: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Reads the arrays.

        Args:
            like: name -> array or tensor of the dtype and shape that the run needs.

        Raises:
            CheckpointError: the file holds others, or is damaged.
        """
        wanted = {_Array(name, value.dtype.name, tuple(value.shape)) for name, value in like.items()}
        if wanted != set(self.arrays) or len(wanted) != len(self.arrays):
            other = sorted(array.name for array in wanted.symmetric_difference(self.arrays))
            raise _damaged(self.path, f"other arrays than this run needs ({', '.join(other)})")
        try:
            with open(self.path, "rb") as file:
                digest = hashlib.sha256()
                header_bytes = int.from_bytes(_piece(file, _PREFIX_BYTES, digest)[len(MAGIC) :][:8], "little")
                _piece(file, min(header_bytes, _MAX_HEADER_BYTES), digest)
                state = {}
                for name, dtype, shape in self.arrays:
                    state[name] = np.empty(shape, _stored(dtype))
                    if file.readinto(_bytes_of(state[name])) != state[name].nbytes:
                        raise ValueError("its end is missing")
                    digest.update(_bytes_of(state[name]))
                if file.read() != digest.digest():
                    raise ValueError("its checksum does not match")
                return state
        except (OSError, ValueError, MemoryError) as error:
            raise _damaged(self.path, errors.one_line(error) or type(error).__name__) from error


class Checkpoints:
    """The checkpoints of one run in a folder: the last one stays until the next is complete.

    Made before the run, it finds what would go wrong: a folder that cannot be written, nothing to resume, or a
    checkpoint that a new run would destroy. `remove` it once the result is saved.

    Args:
        folder: where to; it is created, and holds one run at a time.
        interval_s: seconds between two checkpoints, counted from the end of one to the start of the next; 0 writes
            one after every step. One more is written when the run is stopped.
        resume: continue the run whose checkpoint the folder holds.

    Attributes:
        budget_bytes: of memory, that the run was planned with; None for a new run that has not started.
        convolution: the form of the convolutions of the run that is resumed; None for a new run.

    Raises:
        CheckpointError: there is nothing to resume, another checkpoint is in the way, or it is damaged.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        interval_s: float = configs.CHECKPOINT_INTERVAL_S,
        resume: bool = False,
    ) -> None:
        if not (math.isfinite(interval_s) and interval_s >= 0):
            raise errors.ConfigError(f"checkpoint_interval_s must be at least 0. Received: {interval_s}.")
        self.path = pathlib.Path(folder) / FILE_NAME
        self.interval_s = interval_s
        self._saved = read(self.path) if resume else None
        files.check_writable(self.path)
        if not resume and self.path.exists():
            raise errors.CheckpointError(
                f"{self.path}: a new run must not replace the checkpoint of another. Received: a checkpoint. Add "
                "--resume (resume=True) to continue that run, remove the file, or choose another folder."
            )
        files.remove_leftovers(self.path)
        self._identity = Identity({}, {})
        self.budget_bytes = self._saved.budget_bytes if self._saved else None
        self.convolution = self._saved.identity.run.get("convolution") if self._saved else None
        self._last_s = time.monotonic()

    def begin(
        self,
        identity: Identity,
        stage_steps: Sequence[int],
        budget_bytes: float,
        on_message: Callable[[str], None],
    ) -> Saved | None:
        """Starts the clock of a run and returns the checkpoint that it continues, None where it starts anew.

        Args:
            identity: of the run.
            stage_steps: the steps of each size of the run.
            budget_bytes: of memory, that the run is planned with.
            on_message: called with what differs between the machine of the checkpoint and this one.

        Raises:
            CheckpointError: the checkpoint is of another run; the message names each difference.
        """
        self._identity = Identity(*json.loads(json.dumps(identity)))
        self.budget_bytes = budget_bytes
        self._last_s = time.monotonic()
        if self._saved is None:
            return None
        differences = _different(self._saved.identity.run, self._identity.run)
        if differences:
            raise errors.CheckpointError(
                f"{self.path}: a run is resumed with the settings, pictures and weights of its start. Received: "
                f"{'; '.join(differences)}. Give the same ones, or start anew in another folder."
            )
        position = self._saved.position
        if not (
            1 <= len(position.done) <= len(stage_steps)
            and all(1 <= done <= steps for done, steps in zip(position.done, stage_steps, strict=False))
        ):
            raise _damaged(self.path, f"a place that the run does not have ({position})")
        for difference in _different(self._saved.identity.machine, self._identity.machine):
            on_message(f"the last bits of the result may differ from those of an unbroken run: {difference}")
        return self._saved

    def is_due(self) -> bool:
        """Whether the interval has passed."""
        return time.monotonic() - self._last_s >= self.interval_s

    def write(self, position: Position, state: Mapping[str, Any]) -> None:
        """Writes a checkpoint in the place of the last one, which stays where that fails.

        Args:
            position: of the run.
            state: name -> array or tensor. They are brought to the host one at a time.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            files.write_atomically(self.path, _pieces(self._identity, self.budget_bytes, position, state))
        finally:
            self._last_s = time.monotonic()

    def remove(self) -> None:
        """Removes the checkpoint of a finished run.

        Raises:
            OutputError: it cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise errors.OutputError(
                f"{self.path}: the checkpoint of a finished run must go. Received: {error.strerror}. Remove it by hand."
            ) from error


def read(path: pathlib.Path) -> Saved:
    """Reads the header of a checkpoint; `Saved.state` reads the rest.

    Raises:
        CheckpointError: there is no such file, or it is not a valid checkpoint.
    """
    try:
        if not path.is_file():
            raise errors.CheckpointError(
                f"{path}: there must be a checkpoint to resume. Received: no such file. Leave --resume (resume=True) "
                "out to start anew, or name the folder of the run."
            )
        with open(path, "rb") as file:
            prefix = _piece(file, _PREFIX_BYTES)
            if not prefix.startswith(MAGIC):
                raise ValueError("not a checkpoint of this version")
            header_bytes = int.from_bytes(prefix[len(MAGIC) :][:8], "little")
            if header_bytes > _MAX_HEADER_BYTES:
                raise ValueError(f"a header of {header_bytes} bytes")
            text = _piece(file, header_bytes)
            if hashlib.sha256(text).digest() != prefix[-32:]:
                raise ValueError("its header's checksum does not match")
            saved = _parsed(path, json.loads(text))
            expected_bytes = _PREFIX_BYTES + header_bytes + sum(array.size_bytes for array in saved.arrays) + 32
            if os.fstat(file.fileno()).st_size != expected_bytes:
                raise ValueError(f"{os.fstat(file.fileno()).st_size} bytes instead of {expected_bytes}")
            return saved
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _damaged(path, errors.one_line(reason or type(error).__name__)) from error


def _parsed(path: pathlib.Path, header: Any) -> Saved:
    """The header with every type checked; a ValueError, LookupError, TypeError or AttributeError where one is wrong."""
    identity = Identity(header["run"], header["machine"])
    position = Position(**header["position"])
    counts = [*position.done, *position.resumed_after_steps]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("an invalid position")
    numbers = (position.seconds, position.milestone, header["budget_bytes"])
    if (
        not all(type(number) is float and number == number for number in numbers)
        or not 0 <= position.seconds < math.inf
    ):
        raise ValueError("an invalid time or budget")
    if len(position.ended_by) != len(position.done) or not all(type(end) is str for end in position.ended_by):
        raise ValueError("an invalid end of a size")
    arrays = tuple(_Array(str(name), dtype, tuple(shape)) for name, dtype, shape in header["arrays"])
    for array in arrays:
        if array.dtype not in _DTYPES or not all(type(side) is int and side >= 0 for side in array.shape):
            raise ValueError(f"an invalid array ({array.name})")
    if not isinstance(identity.run, dict) or not isinstance(identity.machine, dict):
        raise ValueError("an invalid identity")
    return Saved(path, identity, header["budget_bytes"], position, arrays)


def _different(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences between two parts of an identity, in words."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [f"{name} {now.get(name)}, started with {then.get(name)}" for name in names]


def _pieces(
    identity: Identity, budget_bytes: float | None, position: Position, state: Mapping[str, Any]
) -> Iterator[Any]:
    """The file's bytes; each array is fetched when its turn comes."""
    arrays = [_Array(name, value.dtype.name, tuple(value.shape)) for name, value in state.items()]
    header = identity._asdict() | {"budget_bytes": budget_bytes, "position": dataclasses.asdict(position)}
    header |= {"arrays": arrays}
    text = json.dumps(header).encode()
    digest = hashlib.sha256()
    piece: bytes | memoryview
    for piece in (MAGIC, len(text).to_bytes(8, "little"), hashlib.sha256(text).digest(), text):
        digest.update(piece)
        yield piece
    for array in arrays:
        piece = _bytes_of(np.ascontiguousarray(np.asarray(state[array.name]), _stored(array.dtype)))
        digest.update(piece)
        yield piece
    yield digest.digest()


def _stored(dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype).newbyteorder("<")


def _bytes_of(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _piece(file: BinaryIO, size_bytes: int, digest: Any = None) -> bytes:
    """So many bytes of a file, or a ValueError where it has fewer."""
    piece = file.read(size_bytes)
    if len(piece) != size_bytes:
        raise ValueError("its end is missing")
    if digest:
        digest.update(piece)
    return piece


def _damaged(path: pathlib.Path, received: str) -> errors.CheckpointError:
    return errors.CheckpointError(
        f"{path}: a checkpoint must be whole and as this program wrote it. Received: {received}. Remove it "
        "to start anew."
    )
