"""Bulk work by Apache Beam: one style for whole folders of pictures, on the workers of one machine or of many.

    paths in short lists -> each picture read once; a finished one skipped; those of one size through the network
                            together; each result written
          -> what became of each path, collected into one small file beside the results, which the launcher reads

Only paths pass between workers. Pictures that pass together have one size exactly, so that nothing is padded or
distorted and each result is that of the picture alone. The pipeline is one line without tagged outputs, side inputs,
metrics or anything that is left for the end of a bundle, since some runners lose those (Beam's runner for Dask does).
Needs the package apache-beam; TensorFlow is loaded by the workers.
"""

import collections
import functools
import hashlib
import json
import os
import pathlib
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.options import pipeline_options
from apache_beam.runners import runner as beam_runner
from apache_beam.utils import shared

from nst_tf import errors, files
from nst_tf.pictures import controls, images, inputs, masks, transparency
from nst_tf.pipelines import jobs, model_handler, runners, stores

_WATCH_INTERVAL_S = 0.5
_FEWEST_LISTS = 16  # of paths, so that the work can be spread
_LISTED_BATCHES = 8  # most batches that a list of paths makes, where all pictures have one size
_MOST_WAITING_BYTES = 2**28  # of pictures that wait for others of their size

WRITTEN, SKIPPED, FAILED = "written", "skipped", "failed"
_BY_CERTAINTY = (FAILED, SKIPPED, WRITTEN)  # a runner may do a list again: what was done once is done


class Summary(NamedTuple):
    """What became of the pictures of a run."""

    written: int
    skipped: int  # finished by an earlier run
    repeated: int  # the same bytes under the same name in another folder, so the same result
    failed: int
    seconds: float


class Outcome(NamedTuple):
    """What became of one picture."""

    path: str
    state: str  # WRITTEN, SKIPPED or FAILED
    output: str = ""
    error: str = ""
    message: str = ""


def run(job: jobs.Job, beam_arguments: Sequence[str] = ()) -> Summary:
    """Runs a job to its end.

    Args:
        job: as `jobs.describe` makes it. Pictures, styles and results lie where every worker reaches them.
        beam_arguments: Beam's pipeline options, such as --direct_num_workers=2. Without --runner, or with DirectRunner,
            Beam's own in-process runner is taken.

    Raises:
        ConfigError: an option or a runner that Beam does not have here.
        OutputError: the list of failures cannot be written or removed.
        RunnerError: the pipeline failed. What was written stays; running again continues.
        CountError: the runner says that it is done, and not every picture is accounted for.
    """
    started = time.perf_counter()
    options = runners.options(beam_arguments)
    stores.use(options)
    _remove(jobs.join(job.output_dir, jobs.FAILURES))
    report = jobs.join(job.output_dir, f".batch-{uuid.uuid4().hex}.json")
    runner = runners.in_process(options)
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
    except ValueError as error:  # the validation of options that belong together
        raise errors.ConfigError(f"Beam refuses its options. Received: {errors.one_line(error)}.") from error
    _build(pipeline, job, report, beam_arguments, launcher_pid=os.getpid() if runner else None)
    try:
        result = pipeline.run()
        state = result.wait_until_finish() or result.state
    except Exception as error:  # a runner's own, or a worker's with its traceback as the text
        raise errors.RunnerError(
            f"{runners.name(options)} failed: {_last_line(error)}. What was written stays; the same command continues."
        ) from error
    if state not in (None, beam_runner.PipelineState.DONE):
        raise errors.RunnerError(f"{runners.name(options)} ended as {state}. The same command continues.")
    found = _read_report(report, len(job.paths))
    if found["failures"]:
        lines = "".join(f"{json.dumps(record)}\n" for record in found["failures"])
        _write(jobs.join(job.output_dir, jobs.FAILURES), lines.encode())
    return Summary(**found["counts"], seconds=time.perf_counter() - started)


def write_record(job: jobs.Job, record: dict[str, Any]) -> None:
    """Writes `jobs.RECORD` into the output folder.

    Raises:
        OutputError: it cannot be written.
    """
    _write(jobs.join(job.output_dir, jobs.RECORD), json.dumps(record, indent=1).encode())


def _build(
    pipeline: beam.Pipeline, job: jobs.Job, report: str, beam_arguments: Sequence[str], launcher_pid: int | None
) -> None:
    places = (*job.paths, *job.styles, job.output_dir, job.config.bundle)
    store_arguments = tuple(beam_arguments) if any(map(stores.is_in_store, places)) else None
    (
        pipeline
        | "Lists of paths" >> beam.Create(_lists(job))
        | "Spread" >> beam.Reshuffle()
        | "Stylise" >> beam.ParDo(_Stylise(_small(job), store_arguments, launcher_pid))
        | "Pair" >> beam.Map(lambda outcome: (0, outcome)).with_output_types(tuple[int, str])
        | "Collect" >> beam.GroupByKey()
        | "Report" >> beam.ParDo(_Report(report, store_arguments))
    )


def _lists(job: jobs.Job) -> list[str]:
    """The paths in lists: neighbours, which often have one size, together.

    As JSON in ASCII, since Beam's coders want text to be UTF-8, which a file name need not be.
    """
    count = len(job.paths) // _FEWEST_LISTS
    length = min(max(count, job.config.batch_size), _LISTED_BATCHES * job.config.batch_size)
    return [json.dumps(job.paths[start : start + length]) for start in range(0, len(job.paths), length)]


class _Stylise(beam.DoFn):
    """A list of paths -> the outcome of each, both as JSON; see `_lists`."""

    def __init__(self, job: jobs.Job, store_arguments: Sequence[str] | None, launcher_pid: int | None) -> None:
        self._job = job
        self._store_arguments = store_arguments
        self._launcher_pid = launcher_pid
        self._shared = shared.Shared()
        self._listed: dict[str, dict[str, str]] = {}

    def setup(self) -> None:
        if self._launcher_pid is not None:
            _end_with(self._launcher_pid)
        _use_stores(self._store_arguments)

    def process(self, paths: str) -> Iterator[str]:
        for outcome in self._outcomes(json.loads(paths)):
            yield json.dumps(outcome)

    def _outcomes(self, paths: Sequence[str]) -> Iterator[Outcome]:
        waiting: dict[Any, list[_Read]] = {}  # by size
        waiting_bytes = 0
        for path in paths:
            read = self._read(path)
            if isinstance(read, Outcome):
                yield read
                continue
            size = (read.alone, *read.picture.pixels.shape)
            waiting.setdefault(size, []).append(read)
            waiting_bytes += read.picture.pixels.nbytes
            if len(waiting[size]) < self._job.config.batch_size and waiting_bytes <= _MOST_WAITING_BYTES:
                continue
            batch = waiting.pop(max(waiting, key=lambda size: len(waiting[size])))
            waiting_bytes -= sum(item.picture.pixels.nbytes for item in batch)
            yield from self._written(batch)
        for batch in waiting.values():
            yield from self._written(batch)

    def _read(self, path: str) -> "_Read | Outcome":
        """A picture that is to be stylised, or what became of it already."""
        try:
            data = model_handler.read_file(path)
            found = [model_handler.read_file(self._masks(folder)[_stem(path)]) for folder in self._job.mask_folders]
            output = self._job.output(path, "".join(hashlib.sha256(part).hexdigest() for part in (data, *found)))
            if stores.exists(output) if stores.is_in_store(output) else os.path.exists(output):
                return Outcome(path, SKIPPED, output)
            side_px = self._job.config.max_side_px
            picture = images.load(data, max_side_px=side_px, name=path)
            picture = inputs.read_picture_for_one_pass(picture, path, side_px)
            given = _given(self._job, picture, found)
        except errors.NstError as error:
            return _failure(path, error)
        return _Read(path, output, picture, given)

    def _masks(self, folder: str) -> dict[str, str]:
        """The masks of a folder by their stems, listed once."""
        if folder not in self._listed:
            self._listed[folder] = jobs.masks_in(folder)
        return self._listed[folder]

    def _written(self, batch: "Sequence[_Read]") -> Iterator[Outcome]:
        """Stylises pictures of one size and writes the results."""
        import tensorflow as tf

        model = self._shared.acquire(lambda: _Model(self._job))
        try:
            if batch[0].alone:
                stylised = np.concatenate([model.stylise_alone(read.picture, read.masks) for read in batch])
            else:
                stylised = model.stylise(np.concatenate([read.picture.pixels for read in batch]))
        except errors.ImageError as error:  # what only the bundle knows, such as its least size
            for read in batch:
                yield _failure(read.path, error)
            return
        except tf.errors.ResourceExhaustedError:
            size = f"{batch[0].picture.width_px} x {batch[0].picture.height_px} px"
            for read in batch:
                message = (
                    f"{read.path}: there must be memory for {len(batch)} pictures of {size}. Received: too little. "
                )
                yield _failure(read.path, errors.ImageError(f"{message}Use a smaller --batch_size or --size."))
            return
        for read, pixels in zip(batch, stylised, strict=True):
            try:
                self._save(read, pixels[np.newaxis])
                yield Outcome(read.path, WRITTEN, read.output)
            except errors.NstError as error:
                yield _failure(read.path, error)

    def _save(self, read: "_Read", pixels: np.ndarray) -> None:
        if stores.is_in_store(read.output):
            stores.write(read.output, images.encode(pixels, self._job.config.suffix, alpha=read.picture.alpha))
        else:
            images.save(read.output, pixels, alpha=read.picture.alpha)


class _Read(NamedTuple):
    """A picture that is to be stylised."""

    path: str
    output: str
    picture: images.Picture
    masks: masks.Given

    @property
    def alone(self) -> bool:
        """Whether it passes the network alone, since its style or its regions are its own."""
        return bool(self.masks.styles) or self.masks.keep is not None or self.picture.alpha is not None


def _stem(path: str) -> str:
    return pathlib.PurePosixPath(path).stem


def _given(job: jobs.Job, picture: images.Picture, found: Sequence[bytes]) -> masks.Given:
    """The masks of a picture from the bytes of their files, as the job's folders are ordered."""
    loaded = [images.load(data, name=f"the mask of {picture.name}") for data in found]
    given = masks.Given(loaded[: len(job.style_masks)], keep=loaded[-1] if job.keep_mask else None)
    masks.read_content_masks(inputs.Inputs(picture, ()), given)
    return given


class _Model:
    """The network of a job, one for all threads of a worker process."""

    def __init__(self, job: jobs.Job) -> None:
        handler = model_handler.AdainModelHandler(
            job.styles,
            job.config,
            style_sha256=job.style_sha256,
            manifest_sha256=job.bundle.sha256 if job.bundle else "",
        )
        self.stylise = handler.load_model()
        self._handler = handler
        self._baked = bool(job.bundle)

    @functools.cached_property
    def _engine(self) -> Any:
        return self._handler.engine()

    def stylise_alone(self, picture: images.Picture, given: masks.Given) -> np.ndarray:
        """One picture with its masks and its transparency, of which a bundle's style is put where they say."""
        if not self._baked:
            return np.asarray(self._engine(picture, given))
        read = masks.read_content_masks(inputs.Inputs(transparency.straight(picture), ()), given)
        image = self.stylise(read.content.pixels)
        return controls.with_kept(image, read.content, masks.kept(read, with_uncovered=True))


class _Report(beam.DoFn):
    """All outcomes -> counts and failures, in a file for the launcher."""

    def __init__(self, path: str, store_arguments: Sequence[str] | None) -> None:
        self._path = path
        self._store_arguments = store_arguments

    def process(self, group: tuple[int, Iterable[str]]) -> Iterator[str]:
        _use_stores(self._store_arguments)
        _write(self._path, json.dumps(_reported(Outcome(*json.loads(outcome)) for outcome in group[1])).encode())
        yield self._path


def _reported(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The counts and the failures of outcomes, of which a runner may bring some twice."""
    by_path: dict[str, Outcome] = {}
    for outcome in outcomes:
        known = by_path.get(outcome.path, outcome)
        by_path[outcome.path] = max(known, outcome, key=lambda one: _BY_CERTAINTY.index(one.state))
    failed = {outcome.path: outcome for outcome in by_path.values() if outcome.state == FAILED}
    written: dict[str, int] = collections.Counter(o.output for o in by_path.values() if o.state == WRITTEN)
    skipped = [outcome for outcome in by_path.values() if outcome.state == SKIPPED]
    late = sum(outcome.output in written for outcome in skipped)  # found what another worker had just written
    counts = {
        "written": len(written),
        "skipped": len(skipped) - late,
        "repeated": sum(written.values()) - len(written) + late,
        "failed": len(failed),
    }
    listed = sorted(failed.values(), key=lambda outcome: os.fsencode(outcome.path))
    failures = [{"input": one.path, "error": one.error, "message": one.message} for one in listed]
    return {"counts": counts, "failures": failures}


def _failure(path: str, error: errors.NstError) -> Outcome:
    return Outcome(path, FAILED, "", type(error).__name__, errors.one_line(error, max_characters=2000))


def _read_report(path: str, expected: int) -> dict[str, Any]:
    """The report of the workers, which is removed; a CountError where it does not account for every path."""
    is_there = stores.exists(path) if stores.is_in_store(path) else os.path.exists(path)
    if not is_there:
        raise errors.CountError(
            f"the runner must account for {expected} pictures. Received: no report, though it says that it is done. "
            "Do all workers reach the output folder? The same command continues."
        )
    found: dict[str, Any] = json.loads(model_handler.read_file(path))
    _remove(path)
    counted = sum(found["counts"].values())
    if counted != expected:
        counts = ", ".join(f"{count} {name}" for name, count in found["counts"].items())
        raise errors.CountError(
            f"the runner must account for {expected} pictures. Received: {counts}, together {counted}, though it says "
            "that it is done. The same command continues."
        )
    return found


def _last_line(error: BaseException) -> str:
    """What a pipeline's error says: of a worker's traceback the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    raised = [line for line in lines if line.startswith("nst_tf.errors.")]
    text = raised[-1].partition(": ")[2] if raised else lines[-1]
    return errors.one_line(text.partition(" [while running ")[0], max_characters=1000).rstrip(".")


def _use_stores(arguments: Sequence[str] | None) -> None:
    """Gives a worker Beam's options for its filesystems, which not every runner does."""
    if arguments is not None:
        stores.use(pipeline_options.PipelineOptions(list(arguments)))


def _write(path: str, data: bytes) -> None:
    if stores.is_in_store(path):
        stores.write(path, data)
    else:
        files.write_atomically(path, data)


def _end_with(launcher_pid: int) -> None:
    """Ends a worker process of this machine soon after its launcher; Beam's would first do the rest of its bundle."""

    def watch() -> None:
        while True:
            time.sleep(_WATCH_INTERVAL_S)
            try:
                os.kill(launcher_pid, 0)
            except ProcessLookupError:
                os._exit(1)

    if os.name == "posix" and os.getpid() != launcher_pid:
        threading.Thread(target=watch, daemon=True).start()


def _small(job: jobs.Job) -> jobs.Job:
    """The job without its paths, for what is sent to every worker."""
    return job.__class__(**{**job.__dict__, "paths": ()})


def _remove(path: str) -> None:
    if stores.is_in_store(path):
        stores.remove(path)
        return
    try:
        os.remove(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.OutputError(
            f"{path}: the list of an earlier run's failures must be removable. Received: {error.strerror}. "
            "Change its permissions."
        ) from error
