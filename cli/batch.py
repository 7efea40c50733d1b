"""`nst-tf batch`: one style for whole folders of pictures. In a checkout also `python -m cli.batch`."""

import contextlib
import dataclasses
import importlib.metadata
import logging as standard_logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from nst_tf import configs, errors, results
from nst_tf.pipelines import jobs

from . import config_flags, program, streams

config_flags.define(configs.BatchCommand, configs.BatchConfig)

# Exit codes beside 0 and program.MISTAKE
SOME_FAILED = 1  # every picture is accounted for, and some could not be stylised
RUNNER_FAILED = 3
COUNTS_DISAGREE = 4

_INTRO = f"""nst-tf batch: render whole folders of photographs in the style of a painting, in one pass each (AdaIN)

  nst-tf batch --input='photos/**/*.jpg' --style=painting.jpg --output_dir=out
  nst-tf batch --input='photos/*' --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output_dir=out --suffix=.jpg
  nst-tf batch --input='photos/*' --bundle=saved_models/painting/1 --output_dir=out
  nst-tf batch --input='photos/*' --style=painting.jpg --output_dir=out --threads=1 \\
      -- --direct_running_mode=multi_processing --direct_num_workers=8

It is an Apache Beam pipeline (pip install 'nst-tf[beam]'). What follows -- are Beam's own options: workers, or another
runner with its flags; pictures and output_dir must then lie where every worker reaches them. Paths with a scheme, such
as s3://bucket/photos/**, lie in object stores; apache-beam[aws], [gcp] or [azure] reads and writes them.
A result is named after its picture: photo-1a2b3c4d.png, with a hash of the picture's bytes and of the settings. What is
there already is skipped, so the same command continues a run that was stopped. A picture that cannot be stylised never
stops the rest: OUTPUT_DIR/{jobs.FAILURES} lists them.
Exit codes: 0 all done, {SOME_FAILED} some pictures failed, {program.MISTAKE} a mistake in the command, \
{RUNNER_FAILED} the runner failed, {COUNTS_DISAGREE} the runner lost pictures."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    at = argv.index("--") if "--" in argv else len(argv)
    return program.run(lambda: _judged(argv[0], argv[at + 1 :]), argv[:at], help_text)


def _judged(name: str, beam_arguments: list[str]) -> int:
    """Runs the job; what is not the user's mistake has an exit code of its own."""
    try:
        return main(beam_arguments)
    except (errors.RunnerError, errors.CountError) as error:
        streams.tell(f"{name}: {errors.one_line(error, max_characters=2000)}")
        return RUNNER_FAILED if isinstance(error, errors.RunnerError) else COUNTS_DISAGREE


def main(beam_arguments: list[str]) -> int:
    """Stylises as the flags say."""
    command = config_flags.config_from_flags(configs.BatchCommand)
    config = config_flags.config_from_flags(configs.BatchConfig)
    if not command.style and not config.bundle:
        raise flags.IllegalFlagValueError("--style is missing; give it, or --bundle with a fixed style")
    jobs.check_beam()
    with _quiet_beam():
        job = jobs.describe(
            command.input,
            command.style,
            command.output_dir,
            config,
            beam_arguments,
            style_masks=command.style_masks,
            keep_mask=command.keep_mask,
        )
    program.say(f"{len(job.paths)} pictures match")
    _end_at_once_on_interrupt(job)

    with _quiet_beam():
        from nst_tf.pipelines import batch, runners  # seconds of work that usage errors need not wait for
    options = runners.options(beam_arguments)
    program.load_tensorflow(weights=[] if job.bundle else [config.weights, config.decoder])
    if job.bundle:
        program.say(f"bundle: {job.config.bundle}, in {job.bundle.precision}")
        licences = "; ".join(job.bundle.licences)
        network = [{"source": job.config.bundle, "sha256": job.bundle.sha256, "licence": licences}]
    else:
        from nst_tf.weights import (
            adain_decoder,
            vgg19,  # slow imports that --help and usage errors do not need
        )

        loaded = (vgg19.load(config.weights, on_message=program.say), adain_decoder.load(config.decoder))
        job = dataclasses.replace(job, network_sha256=tuple(part.sha256 for part in loaded))
        network = [{name: getattr(part, name) for name in ("source", "sha256", "licence")} for part in loaded]
    summary = batch.run(job, beam_arguments)
    record = {
        "config": dataclasses.asdict(config),
        "styles": [{"path": path, "sha256": sha256} for path, sha256 in zip(job.styles, job.style_sha256, strict=True)],
        "network": network,
        "pictures": summary._asdict(),
        "runner": runners.name(options),
        "versions": results.versions() | {"apache-beam": importlib.metadata.version("apache-beam")},
    }
    batch.write_record(job, record)
    program.say(_summary_line(summary, job))
    return SOME_FAILED if summary.failed else 0


@contextlib.contextmanager
def _quiet_beam() -> Iterator[None]:
    """Leaves out Beam's notes about packages that it would like to have."""
    standard_logging.disable(standard_logging.WARNING)
    try:
        yield
    finally:
        standard_logging.disable(standard_logging.NOTSET)
    standard_logging.getLogger("apache_beam").setLevel(standard_logging.WARNING)


def _end_at_once_on_interrupt(job: jobs.Job) -> None:
    """Ctrl-C ends this process and so its workers; Beam would wait for their bundles, which may be the whole job."""

    def end(*signal_and_frame: object) -> None:
        streams.tell(f"\ninterrupted: finished results stay in {job.output_dir}; the same command continues.")
        os._exit(program.INTERRUPTED)

    signal.signal(signal.SIGINT, end)


def _summary_line(summary: Any, job: jobs.Job) -> str:
    parts = [f"wrote {summary.written} of {len(job.paths)} pictures to {job.output_dir} in {summary.seconds:.0f} s"]
    if summary.skipped:
        parts.append(f"{summary.skipped} already finished")
    if summary.repeated:
        parts.append(f"{summary.repeated} the same as another")
    if summary.failed:
        parts.append(f"{summary.failed} failed, see {jobs.join(job.output_dir, jobs.FAILURES)}")
    return "; ".join(parts)


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.BatchCommand, configs.BatchConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf batch", *sys.argv[1:]]))
