"""`nst-tf batch`: one style for whole folders of pictures. In a checkout also `python -m cli.batch`."""

import dataclasses
import json
import logging as standard_logging
import os
import signal
import sys
from typing import Any

from absl import flags

from nst_tf import configs, files, results
from nst_tf.pipelines import jobs

from . import config_flags, program, streams

config_flags.define(configs.BatchCommand, configs.BatchConfig)

SOME_FAILED = 1  # exit code if every picture was tried and some could not be stylised

_INTRO = f"""nst-tf batch: render whole folders of photographs in the style of a painting, in one pass each (AdaIN)

  nst-tf batch --input='photos/**/*.jpg' --style=painting.jpg --output_dir=out
  nst-tf batch --input='photos/*' --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output_dir=out --suffix=.jpg
  nst-tf batch --input='photos/*' --bundle=saved_models/painting/1 --output_dir=out
  nst-tf batch --input='photos/*' --style=painting.jpg --output_dir=out --threads=1 \\
      -- --direct_running_mode=multi_processing --direct_num_workers=8

It is an Apache Beam pipeline (pip install 'nst-tf[beam]'). Beam's own options follow --: workers, or another runner
with its flags; every worker must then be able to reach pictures and output_dir.
A result is named after its picture: photo-1a2b3c4d.png, with a hash of the picture's bytes and of the settings.
Existing results are skipped, so the same command continues a run that was stopped. A picture that cannot be stylised
never stops the rest: OUTPUT_DIR/{jobs.FAILURES} lists them, and the exit code is then {SOME_FAILED}."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    at = argv.index("--") if "--" in argv else len(argv)
    return program.run(lambda: main(argv[at + 1 :]), argv[:at], help_text)


def main(beam_arguments: list[str]) -> int:
    """Stylises as the flags say."""
    command = config_flags.config_from_flags(configs.BatchCommand)
    config = config_flags.config_from_flags(configs.BatchConfig)
    if not command.style and not config.bundle:
        raise flags.IllegalFlagValueError("--style is missing; give it, or --bundle with a fixed style")
    jobs.check_beam()
    job = jobs.describe(command.input, command.style, command.output_dir, config)
    program.say(f"{len(job.paths)} pictures match")
    _end_at_once_on_interrupt(job)

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
    standard_logging.disable(standard_logging.WARNING)  # Beam lists optional packages that are missing
    from nst_tf.pipelines import batch

    standard_logging.disable(standard_logging.NOTSET)
    standard_logging.getLogger("apache_beam").setLevel(standard_logging.WARNING)
    summary = batch.run(job, beam_arguments)
    record = {
        "config": dataclasses.asdict(config),
        "styles": [{"path": path, "sha256": sha256} for path, sha256 in zip(job.styles, job.style_sha256, strict=True)],
        "network": network,
        "pictures": summary._asdict(),
        "versions": results.versions(),
    }
    files.write_atomically(os.path.join(job.output_dir, jobs.RECORD), json.dumps(record, indent=1).encode())
    program.say(_summary_line(summary, job))
    return SOME_FAILED if summary.failed else 0


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
        parts.append(f"{summary.failed} failed, see {os.path.join(job.output_dir, jobs.FAILURES)}")
    return "; ".join(parts)


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.BatchCommand, configs.BatchConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf batch", *sys.argv[1:]]))
