"""`nst-tf evaluate`: stylised pictures in, a table of scores out. In a checkout also `python -m cli.evaluate`."""

import sys

from absl import flags

from nst_tf import configs, files
from nst_tf.evaluation import flicker
from nst_tf.pictures import flow, inputs, masks
from nst_tf.video import frames

from . import config_flags, program, streams

config_flags.define(configs.EvaluateCommand, configs.EvaluationConfig)

_INTRO = """nst-tf evaluate: judge the results of any method by one objective

  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=gatys.png,adain.png
  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=a.png,b.png --lpips=alexnet --output=table.csv
  nst-tf evaluate --content=clip.mp4 --video=out.mp4

content and style are the weighted losses of nst-tf stylize, total is their sum plus the total variation: lower is
better. noise is the share of spectral energy beyond 0.7 of the Nyquist frequency, which strokes hardly use. crosshatch
(grey levels), specks (of 1000 pixels) and frame (levels) are what a result has of each beyond the style: 0 is best."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Judges the pictures that the flags name."""
    command = config_flags.config_from_flags(configs.EvaluateCommand)
    if command.video:
        return _judge_film(command)
    for name in ("style", "images"):
        if not getattr(command, name):
            raise flags.IllegalFlagValueError(f"--{name} is missing")
    config = config_flags.config_from_flags(configs.EvaluationConfig)
    if command.output:
        files.check_writable(command.output)
    pairs = inputs.read_judged(command.content, command.style, command.images, config.judge)  # before TensorFlow loads
    given = masks.Given(command.style_masks)
    masks.check(given, len(command.style), config.style_blend)
    masks.read_content_masks(pairs[0][1], given)
    program.load_tensorflow(weights=[config.weights], threads=command.threads)
    from nst_tf import evaluation  # slow imports that --help and usage errors do not need

    scores = evaluation.evaluate(
        command.content,
        command.style,
        command.images,
        config,
        style_masks=command.style_masks,
        on_message=program.say,
    )
    if command.output:
        files.write_atomically(command.output, evaluation.as_csv(scores))
        program.say(f"wrote {command.output}")
    streams.show(evaluation.as_text(scores))
    return 0


def _judge_film(command: configs.EvaluateCommand) -> int:
    """--video: flicker and sharpness, without TensorFlow."""
    if command.images:
        raise flags.IllegalFlagValueError("--video and --images exclude each other. Received: both. Leave one out.")
    frames.check_installed()
    flow.check_installed()
    film, photographs = frames.open_film(command.video), frames.open_film(command.content)
    size = film.height_px, film.width_px
    measured = flicker.steadiness(
        (frame.pixels for frame in film.frames(on_message=program.say)),
        (frame.pixels for frame in photographs.frames(size=size, on_message=program.say)),
    )
    if command.output:
        files.write_atomically(command.output, flicker.as_csv(measured).encode())
        program.say(f"wrote {command.output}")
    streams.show(flicker.as_text(measured))
    return 0


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.EvaluateCommand, configs.EvaluationConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf evaluate", *sys.argv[1:]]))
