"""`nst-tf train`: a painting in, its style out, as a file for `nst-tf stylize`. Also `python -m cli.train`."""

import pathlib
import sys
from typing import Any

import numpy as np
from absl import flags, logging

import nst_tf
from nst_tf import configs, errors, files
from nst_tf.pictures import images, inputs
from nst_tf.training import photographs
from nst_tf.weights import style_files

from . import config_flags, interrupts, program, progress

_CONFIG_CLASSES: dict[str, type[Any]] = {
    "multi-style": configs.TrainingConfig,
    "one-style": configs.OneStyleTrainingConfig,
}
config_flags.define(configs.TrainCommand, *_CONFIG_CLASSES.values())

_INTRO = """nst-tf train: learn the style of a painting, for pictures in a second

  nst-tf train --style=painting.jpg --output=painting.style
  nst-tf stylize --content=photo.jpg --style=painting.style --output=out.png
  nst-tf train --style=painting.jpg --output=painting.style --photographs=photos/ --steps=600 --stroke_sizes=256,512
  nst-tf train --architecture=one-style --style=painting.jpg --output=own.style --photographs=photos/

Ctrl-C or SIGTERM ends the training early and writes the best style so far. OUTPUT.preview.png shows it."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Trains as the flags say."""
    command = config_flags.config_from_flags(configs.TrainCommand)
    config_flags.check_method(command.architecture, configs.TrainCommand, _CONFIG_CLASSES, selector="architecture")
    config: Any = config_flags.config_from_flags(_CONFIG_CLASSES[command.architecture])
    output = pathlib.Path(command.output)
    if output.suffix.lower() != style_files.SUFFIX:
        raise flags.IllegalFlagValueError(
            f"--output must end in {style_files.SUFFIX}, by which nst-tf stylize knows a style. "
            f"Received: {command.output}"
        )
    preview = f"{command.output}.preview.png"
    files.check_not_read([command.output, preview], [command.style])
    for path in (command.output, preview):
        files.check_writable(path)
    painting = inputs.read_picture(command.style, "painting", None)
    photographs.find(command.photographs or None)
    checkpoints = program.checkpoints(command)
    extra = {"checkpoints": checkpoints} if command.architecture == "one-style" else {}

    program.load_tensorflow(weights=[config.weights], deterministic=True, threads=command.threads)
    from nst_tf import training  # imports TensorFlow, which --help and usage errors need not wait for
    from nst_tf.optimisation import tensorboard

    learn: Any = {"multi-style": training.learn_style, "one-style": training.learn_network}[command.architecture]
    interrupt = interrupts.Interrupt()
    bar = progress.Progress()
    log = tensorboard.TensorBoardLog(command.logdir, config) if command.logdir else None

    def on_report(report: nst_tf.Report) -> None:
        interrupt.has_result = True
        if logging.get_verbosity() >= logging.INFO:
            bar.show(report)
        if report.is_snapshot:
            _save_preview(preview, report.image())
        if log:
            log(report)
        if interrupt.seen:
            raise nst_tf.StopStylizing

    with interrupt:
        learned = learn(
            painting,
            config,
            name=output.stem,
            photographs=command.photographs or None,
            on_report=on_report,
            on_message=program.say,
            **extra,
        )
        bar.close()
        if log:
            log.close()
        learned.save(command.output)
        _save_preview(preview, learned.preview)
    program.end_checkpoints(checkpoints, stopped_early=learned.stopped_early)
    if learned.photographs_left_out:
        program.say(f"{learned.photographs_left_out} photographs could not be read and were left out")
    steps, size = len(learned.losses["total"]), output.stat().st_size
    program.say(f"wrote {command.output} ({size} bytes) and {preview} after {steps} steps in {learned.seconds:.0f} s")
    return interrupt.exit_code if learned.stopped_early else 0


def _save_preview(path: str, image: np.ndarray) -> None:
    """Writes what the style looks like so far; where that fails, the training goes on."""
    try:
        images.save(path, image)
    except errors.OutputError as error:
        program.say(f"the preview is missing. {error}")


def help_text() -> str:
    """The text of --help."""
    rows = config_flags.help_rows(configs.TrainCommand, configs.TrainingConfig, selector="architecture")
    rows |= config_flags.rows_of_other_methods(_CONFIG_CLASSES, "multi-style", selector="architecture")
    return program.render_help(_INTRO, rows)


if __name__ == "__main__":
    sys.exit(run(["nst-tf train", *sys.argv[1:]]))
