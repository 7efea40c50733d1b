"""stylize_film(): the main path, from a film and a style to a stylised film on disk."""

import dataclasses
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nst_tf import configs, errors, files, messages, results
from nst_tf.pictures import flow, images, inputs
from nst_tf.video import frames, parts, steady, writing
from nst_tf.weights import known_styles, style_files

_REPORT_INTERVAL_S = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilmReport:
    """Progress of a film, as `on_report` receives it.

    Attributes:
        frame: frames done, from 1, those of an earlier run included.
        frames: frames in all; None where the file does not say.
        seconds_per_frame: mean over the frames of this run after its first, in which networks are loaded; 0 until then.
        seconds_left: expected; None until then, and where the end is not known.
    """

    frame: int
    frames: int | None
    seconds_per_frame: float
    seconds_left: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilmResult:
    """A film that was written, and how it was made.

    Attributes:
        path: of the film.
        method: the method's name, as `--method` takes it.
        frames: how many it has.
        height_px: of a frame.
        width_px: of a frame.
        seconds_long: the film's length.
        seconds: of this run.
        resumed_after_frames: frames that an earlier run had finished.
        notes: what was damaged, converted or left out.
        record: settings, inputs and versions, fit for JSON.
    """

    path: str
    method: str
    frames: int
    height_px: int
    width_px: int
    seconds_long: float
    seconds: float
    resumed_after_frames: int
    notes: tuple[str, ...]
    record: dict[str, Any]


class Artist(Protocol):
    """Draws the frames of a film, one after the other."""

    def draw(self, photograph: np.ndarray, on_message: messages.OnMessage) -> np.ndarray:
        """The next frame, float32 [H, W, 3] in [0, 1] like the photograph."""
        ...

    def state(self) -> steady.State:
        """What the next frames depend on."""
        ...

    def restore(self, state: steady.State) -> None:
        """Continues where `state` was taken."""
        ...


def stylize_film(
    content: str | os.PathLike[str],
    style: inputs.Source | Sequence[inputs.Source],
    output: str | os.PathLike[str],
    method: Any = None,
    config: configs.VideoConfig | None = None,
    *,
    engine: results.Engine | None = None,
    on_report: Callable[[FilmReport], None] | None = None,
    on_message: messages.OnMessage = messages.log,
) -> FilmResult:
    """Renders a film in the style of a picture, with memory that does not depend on its length.

    Finished segments lie in OUTPUT.parts until the end. The same call continues a run that was killed, and gives the
    same frames as one that was not.

    Args:
        content: the film, as `frames.open_film` takes it.
        style: as the method takes it.
        output: .mp4, .webm, .mkv, .mov, .gif or .webp, or a folder for pictures.
        method: the settings of the method: a `MultiStyleConfig`, which is the default, a `OneStyleConfig`, an
            `AdainConfig` or a `StyleTransferConfig`. Frames larger than its max_side_px are scaled down.
        config: how the film is kept steady and written.
        engine: to use in place of the one that method describes.
        on_report: called about twice a second, and after the last frame.
        on_message: called with lines worth telling the user.

    Raises:
        NstError: a film, picture, setting or network is unusable, or the output cannot be written; the message says how
            to fix it.
    """
    started = time.perf_counter()
    config = configs.as_config(config, configs.VideoConfig)
    method = configs.MultiStyleConfig() if method is None else method
    film = frames.open_film(content, frame_rate=config.frame_rate)
    flow.check_installed()
    plan = writing.plan(output, film, *size(film, method), config)
    files.check_not_read([output], [film.path])
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        on_message(line)

    for line in (*film.notes, *plan.notes):
        note(f"{film.path}: {line}")
    drawing = _drawing(style, method, config, engine, plan)
    record = _record(film, drawing, method, config, plan)
    unfinished = parts.Parts(output, record)
    begun, state = unfinished.begin()
    position = begun
    if begun.frames:
        drawing.artist.restore(state)
        on_message(f"resuming after {begun.frames} finished frames")
    clock = _Clock(film.count, config.frames, begun.frames, on_report)
    left = None if config.frames is None else max(config.frames - begun.frames, 0)
    source = film.frames(skip=begun.frames, size=(plan.height_px, plan.width_px), on_message=note)
    try:
        for chunk in _chunks(itertools.islice(source, left), config.segment_frames):
            with writing.segment(plan, unfinished.segment(position.segments), position.frames) as write:
                for frame in chunk:
                    write(drawing.artist.draw(frame.pixels, on_message), frame.time, frame.duration)
                    position = position._replace(frames=position.frames + 1, end=frame.time + frame.duration)
                    clock.tick(position.frames)
            position = position._replace(segments=position.segments + 1)
            unfinished.save(position, drawing.artist.state())
        if not position.frames:
            raise errors.VideoError(f"{film.path}: a film must have frames. Received: none that could be decoded.")
        clock.close(position.frames)
        writing.join(plan, [unfinished.segment(n) for n in range(position.segments)], position.end, film.path)
    except BaseException:
        if not position.segments:
            unfinished.remove()
        raise
    result = FilmResult(
        path=os.fspath(output),
        method=drawing.method,
        frames=position.frames,
        height_px=plan.height_px,
        width_px=plan.width_px,
        seconds_long=float(position.end * plan.time_base),
        seconds=time.perf_counter() - started,
        resumed_after_frames=begun.frames,
        notes=tuple(notes),
        record=record,
    )
    try:
        files.write_atomically(results.record_path(output), json.dumps(dataclasses.asdict(result), indent=1).encode())
    except errors.OutputError as error:  # the film, perhaps of hours, is there
        on_message(f"the record is missing. {error}")
    unfinished.remove()
    return result


def size(film: frames.Film, method: Any) -> tuple[int, int]:
    """Height and width of the frames that a method with these settings draws of a film."""
    return images.fit(film.height_px, film.width_px, method.max_side_px)


class OnePassArtist:
    """Draws by an engine that stylises each frame in one pass, and keeps the film steady.

    Args:
        engine: of the method.
        style: as the engine takes it, read.
        stability: of the `Stabiliser`.
    """

    def __init__(self, engine: results.Engine, style: Any, stability: float) -> None:
        self._engine = engine
        self._style = style
        self._stabiliser = steady.Stabiliser(stability)
        self._told: set[str] = set()

    def draw(self, photograph: np.ndarray, on_message: messages.OnMessage) -> np.ndarray:
        """The next frame."""
        once = messages.once(on_message, self._told)
        steadied = self._stabiliser.steadied(photograph)
        result = self._engine(steadied, self._style, on_message=once)
        return self._stabiliser.blended(result.image[0])

    def state(self) -> steady.State:
        """What the next frames depend on."""
        return self._stabiliser.state()

    def restore(self, state: steady.State) -> None:
        """Continues where `state` was taken."""
        self._stabiliser.restore(state)


class _Drawing(NamedTuple):
    """An artist, and what to record of what it draws by."""

    artist: Artist
    method: str
    styles: list[dict[str, Any]]


def _drawing(style: Any, method: Any, config: configs.VideoConfig, engine: Any, plan: writing.Plan) -> _Drawing:
    """The artist of a method. Imports TensorFlow where it makes an engine, not before."""
    if isinstance(method, configs.MultiStyleConfig):
        known = known_styles.read(style, method)
        if engine is None:
            from nst_tf.networks import multi_style_transfer

            engine = multi_style_transfer.MultiStyleTransfer(method)
        return _Drawing(OnePassArtist(engine, known, config.stability), "multi-style", [_about(one) for one in known])
    if isinstance(method, configs.OneStyleConfig):
        own = known_styles.read_with_network(style)
        if engine is None:
            from nst_tf.networks import one_style

            engine = one_style.OneStyleTransfer(method)
        return _Drawing(OnePassArtist(engine, own, config.stability), "one-style", [_about(own)])
    side_px = method.style_max_side_px or max(plan.height_px, plan.width_px)
    sources = style if isinstance(style, (list, tuple)) else [style]
    pictures = [inputs.read_picture(one, "style", side_px) for one in sources]
    about = [{"name": picture.name, "sha256": picture.sha256} for picture in pictures]
    if isinstance(method, configs.AdainConfig):
        if engine is None:
            from nst_tf.networks import one_pass

            engine = one_pass.AdainTransfer(method)
        return _Drawing(OnePassArtist(engine, pictures, config.stability), "adain", about)
    from nst_tf.video import optimised

    return _Drawing(optimised.OptimisedArtist(pictures, method, config), "gatys", about)


def _about(style: known_styles.Known | style_files.StyleFile) -> dict[str, Any]:
    """A learned style's name, and the hash of its numbers."""
    if isinstance(style, known_styles.Known):
        return {"name": f"{known_styles.PREFIX}{style.number}", "sha256": ""}
    numbers = np.asarray([style.gamma, style.beta], "<f4").tobytes()
    return {"name": style.name, "sha256": hashlib.sha256(style.network_sha256.encode() + numbers).hexdigest()}


def _record(
    film: frames.Film, drawing: _Drawing, method: Any, config: configs.VideoConfig, plan: writing.Plan
) -> dict[str, Any]:
    """What the frames of a film depend on, fit for JSON."""
    free = ("segment_frames", "audio")
    return {
        "content": {"sha256": frames.sha256(film), "height_px": film.height_px, "width_px": film.width_px},
        "style": drawing.styles,
        "method": {"name": drawing.method} | dataclasses.asdict(method),
        "settings": {name: value for name, value in dataclasses.asdict(config).items() if name not in free},
        "size": [plan.height_px, plan.width_px],
        "suffix": plan.suffix,
        "versions": results.versions(),
    }


def _chunks(source: Iterator[frames.Frame], length: int) -> Iterator[Iterator[frames.Frame]]:
    """The frames in pieces of a length, none of them empty; each must be used up before the next."""
    while (first := next(source, None)) is not None:
        yield itertools.chain([first], itertools.islice(source, length - 1))


class _Clock:
    """Reports how far a film is."""

    def __init__(
        self, count: int | None, wanted: int | None, begun: int, on_report: Callable[[FilmReport], None] | None
    ) -> None:
        self._frames = min(count or wanted, wanted) if wanted else count
        self._begun = begun
        self._on_report = on_report
        self._first_done: float | None = None
        self._reported = 0.0
        self._told: tuple[int, int | None] | None = None  # the frame and the frames of the last report

    def tick(self, frame: int) -> None:
        """After a frame."""
        now = time.perf_counter()
        if self._first_done is None:
            self._first_done = now
        if frame == self._begun + 1 or now - self._reported >= _REPORT_INTERVAL_S:
            self._reported = now
            self._report(frame, now)

    def close(self, frame: int) -> None:
        """After the last frame."""
        if self._told != (frame, frame):
            self._frames = frame
            self._report(frame, time.perf_counter())

    def _report(self, frame: int, now: float) -> None:
        self._told = (frame, self._frames)
        if self._on_report is None:
            return
        after_first = frame - self._begun - 1
        seconds = (now - (self._first_done or now)) / after_first if after_first > 0 else 0.0
        is_known = self._frames is not None and (after_first > 0 or frame >= self._frames)
        left = seconds * max((self._frames or 0) - frame, 0) if is_known else None
        self._on_report(FilmReport(frame=frame, frames=self._frames, seconds_per_frame=seconds, seconds_left=left))
