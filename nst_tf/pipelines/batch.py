"""Bulk work by Apache Beam: one style for whole folders of pictures, on the workers of one machine or of many.

    paths -> size and name of each result          a bad picture: failed.jsonl; a finished one: skipped
          -> grouped by size, lists of at most config.batch_size paths
          -> pictures of a list, read -> network -> written one by one

Only paths pass between workers. A group holds one size exactly, so that nothing is padded or distorted and each result
is that of the picture alone. Needs the package apache-beam; TensorFlow is loaded by the workers.
"""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference import base
from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.portability.fn_api_runner import fn_runner

from nst_tf import errors, files
from nst_tf.export import manifest
from nst_tf.pictures import images, inputs
from nst_tf.pipelines import jobs

_NAMESPACE = "nst_tf.batch"  # of the counters
_COUNTERS = ("written", "skipped", "repeated", "failed")
_WATCH_INTERVAL_S = 0.5
_FAILED = "failed"  # the output of what could not be done


class Summary(NamedTuple):
    """What became of the pictures of a run."""

    written: int
    skipped: int  # finished by an earlier run
    repeated: int  # the same bytes under the same name in another folder, so the same result
    failed: int
    seconds: float


class Planned(NamedTuple):
    """A picture that is to be stylised. Beam's coders want text to be UTF-8, which a file name need not be."""

    path: bytes
    sha256: str
    output: bytes


class Batch(NamedTuple):
    """Pictures of one size, read."""

    pixels: np.ndarray  # float32 [B, H, W, 3]
    alphas: tuple[np.ndarray | None, ...]
    planned: tuple[Planned, ...]


def run(job: jobs.Job, beam_arguments: Sequence[str] = ()) -> Summary:
    """Runs a job to its end.

    Args:
        job: as `jobs.describe` makes it. Pictures, styles and results lie where every worker reaches them.
        beam_arguments: Beam's pipeline options, such as --direct_num_workers=2. Without --runner, or with DirectRunner,
            Beam's own in-process runner is taken: its DirectRunner may first download another one.

    Raises:
        OutputError: the dead-letter file cannot be removed.
        Exception: Beam's, where the pipeline itself fails. What was written stays; running again continues.
    """
    started = time.perf_counter()
    _remove(os.path.join(job.output_dir, jobs.FAILURES))
    options = pipeline_options.PipelineOptions(list(beam_arguments))
    workers = options.view_as(pipeline_options.WorkerOptions)
    workers.default_sdk_harness_log_level = workers.default_sdk_harness_log_level or "WARNING"
    runner = _runner(options)
    pipeline = beam.Pipeline(runner=runner, options=options)
    _build(pipeline, job, launcher_pid=os.getpid() if runner else None)
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(_NAMESPACE))["counters"]
    counts = dict.fromkeys(_COUNTERS, 0)
    for counter in counters:  # one for each step that counts
        counts[counter.key.metric.name] += counter.result
    return Summary(**counts, seconds=time.perf_counter() - started)


class AdainModelHandler(base.ModelHandler):
    """Runs AdaIN for `RunInference`, whose examples are whole batches.

    Args:
        job: the style and the settings of the network, or the bundle.
    """

    def __init__(self, job: jobs.Job) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._job = job

    def load_model(self) -> Any:
        """Loads the bundle, or builds the network and encodes the style, once in each worker process."""
        import tensorflow as tf

        config = self._job.config
        if config.threads:
            tf.config.threading.set_intra_op_parallelism_threads(config.threads)
            tf.config.threading.set_inter_op_parallelism_threads(config.threads)
        return self._from_bundle() if config.bundle else self._built()

    def _from_bundle(self) -> Any:
        """Pixels [B, H, W, 3] -> the same stylised, by an exported bundle."""
        import tensorflow as tf

        if manifest.read(self._job.config.bundle) != self._job.bundle:
            raise errors.ExportError(
                f"{self._job.config.bundle}: a bundle must stay as it is while the job runs. Received: another "
                "manifest than at its start. Run again."
            )
        bundle = tf.saved_model.load(self._job.config.bundle)
        strength = self._job.config.style_strength

        def apply(pixels: Any) -> Any:
            strengths = tf.fill([len(pixels)], strength)
            return bundle.signatures["stylize_tensor"](content=pixels, style_strength=strengths)["stylized"]

        return apply

    def _built(self) -> Any:
        """Pixels [B, H, W, 3] -> the same stylised, by the network of the settings."""
        import tensorflow as tf

        from nst_tf.networks import adain

        config = self._job.config
        network = adain.load(dtype_policy=config.precision, encoder=config.weights, decoder=config.decoder).network
        pictures = [inputs.read_style_for_one_pass(path, path, self._job.style_side_px) for path in self._job.styles]
        for picture, sha256 in zip(pictures, self._job.style_sha256, strict=True):
            if picture.sha256 != sha256:
                raise errors.ImageError(f"{picture.name}: the style must stay as it is while the job runs. Run again.")
        style = adain.blend([network.style_moments(picture.pixels) for picture in pictures], config.style_blend)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
        def apply(pixels: Any) -> Any:  # AutoGraph cannot resolve `tf.Tensor` here
            return network.apply(pixels, style, config.style_strength)

        return apply

    def run_inference(
        self, batch: Sequence[Batch], model: Any, inference_args: dict[str, Any] | None = None
    ) -> Iterator[base.PredictionResult]:
        """The stylised pixels of each batch, or in words why there are none."""
        import tensorflow as tf

        for example in batch:
            height_px, width_px = example.pixels.shape[1:3]
            try:
                inference: Any = model(tf.constant(example.pixels)).numpy()
            except tf.errors.ResourceExhaustedError:
                inference = (
                    f"there must be memory for {len(example.planned)} pictures of {width_px} x {height_px} px. "
                    "Received: too little. Use a smaller --batch_size or --size."
                )
            yield base.PredictionResult(example, inference)

    def get_num_bytes(self, batch: Sequence[Batch]) -> int:
        """Of the pixels, for Beam's metrics."""
        return sum(example.pixels.nbytes for example in batch)


def _build(pipeline: beam.Pipeline, job: jobs.Job, launcher_pid: int | None) -> None:
    planned = (
        pipeline
        | "Paths" >> beam.Create([os.fsencode(path) for path in job.paths])
        | "Spread paths" >> beam.Reshuffle()
        | "Plan" >> beam.ParDo(_Plan(_small(job), launcher_pid)).with_outputs(_FAILED, main="planned")
    )
    read = (
        planned.planned
        | "Group by size" >> beam.GroupByKey()
        | "Split" >> beam.ParDo(_Split(job.config.batch_size))
        | "Spread batches" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(_Read(job.config.max_side_px)).with_outputs(_FAILED, main="batches")
    )
    written = (
        read.batches
        | "Stylise" >> base.RunInference(AdainModelHandler(_small(job)))
        | "Write" >> beam.ParDo(_Write()).with_outputs(_FAILED, main="written")
    )
    (
        (planned[_FAILED], read[_FAILED], written[_FAILED])
        | beam.Flatten()
        | "Collect failures" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
        | "Write failures" >> beam.Map(_write_failures, os.path.join(job.output_dir, jobs.FAILURES))
    )


class _Plan(beam.DoFn):
    """path -> ((height, width), Planned)."""

    def __init__(self, job: jobs.Job, launcher_pid: int | None) -> None:
        self._job = job
        self._launcher_pid = launcher_pid

    def setup(self) -> None:
        if self._launcher_pid is not None:
            _end_with(self._launcher_pid)

    def process(self, encoded_path: bytes) -> Iterator[Any]:
        path = os.fsdecode(encoded_path)
        try:
            sha256, height_px, width_px = images.identify(path)
        except errors.NstError as error:
            yield _failure(path, error)
            return
        output = self._job.output(path, sha256)
        if os.path.exists(output):
            _count("skipped")
        else:
            yield (
                images.fit(height_px, width_px, self._job.config.max_side_px),
                Planned(encoded_path, sha256, os.fsencode(output)),
            )


class _Split(beam.DoFn):
    """A size's pictures -> lists of at most batch_size, each result once."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def process(self, group: tuple[Any, Iterable[Planned]]) -> Iterator[tuple[Planned, ...]]:
        pictures = self._distinct(group[1])
        while chunk := tuple(itertools.islice(pictures, self._batch_size)):
            yield chunk

    def _distinct(self, pictures: Iterable[Planned]) -> Iterator[Planned]:
        seen = set()
        for picture in pictures:
            if picture.output in seen:
                _count("repeated")
            else:
                seen.add(picture.output)
                yield picture


class _Read(beam.DoFn):
    """Planned pictures -> a Batch, or several where a header told another size than the picture has."""

    def __init__(self, max_side_px: int) -> None:
        self._max_side_px = max_side_px

    def process(self, planned: tuple[Planned, ...]) -> Iterator[Any]:
        by_size: dict[Any, list[tuple[images.Picture, Planned]]] = {}
        for item in planned:
            path = os.fsdecode(item.path)
            try:
                picture = inputs.read_picture_for_one_pass(path, path, self._max_side_px)
                if picture.sha256 != item.sha256:
                    raise errors.ImageError(
                        f"{path}: a picture must stay as it is while the job runs. Received: other bytes than at "
                        "its start. Run again."
                    )
                by_size.setdefault(picture.pixels.shape, []).append((picture, item))
            except errors.NstError as error:
                yield _failure(path, error)
        for pairs in by_size.values():
            pictures, items = zip(*pairs, strict=True)
            pixels = np.concatenate([picture.pixels for picture in pictures])
            yield Batch(pixels, tuple(picture.alpha for picture in pictures), items)


class _Write(beam.DoFn):
    """Writes each picture of a result."""

    def process(self, result: base.PredictionResult) -> Iterator[Any]:
        example = result.example
        for index, (planned, alpha) in enumerate(zip(example.planned, example.alphas, strict=True)):
            path = os.fsdecode(planned.path)
            try:
                if isinstance(result.inference, str):
                    raise errors.ImageError(f"{path}: {result.inference}")
                images.save(os.fsdecode(planned.output), result.inference[index : index + 1], alpha=alpha)
                _count("written")
            except errors.NstError as error:
                yield _failure(path, error)


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


def _failure(path: str, error: errors.NstError) -> beam.pvalue.TaggedOutput:
    _count("failed")
    record = {"input": path, "error": type(error).__name__, "message": errors.one_line(error, max_characters=2000)}
    return beam.pvalue.TaggedOutput(_FAILED, json.dumps(record))  # ASCII, with escapes that os.fsencode turns back


def _write_failures(failures: Sequence[str], path: str) -> None:
    if failures:
        lines = sorted(failures, key=lambda line: os.fsencode(json.loads(line)["input"]))
        files.write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _count(name: str) -> None:
    beam.metrics.Metrics.counter(_NAMESPACE, name).inc()


def _small(job: jobs.Job) -> jobs.Job:
    """The job without its paths, for what is sent to every worker."""
    return job.__class__(**{**job.__dict__, "paths": ()})


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.OutputError(
            f"{path}: the list of an earlier run's failures must be removable. Received: {error.strerror}. "
            "Mend its permissions."
        ) from error


def _runner(options: pipeline_options.PipelineOptions) -> Any:
    """Beam's in-process runner in place of DirectRunner; None where the options name another."""
    if options.view_as(pipeline_options.StandardOptions).runner not in (None, "DirectRunner"):
        return None
    encoded = portable_runner.JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))
