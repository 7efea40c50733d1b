"""`nst-tf evaluate`: stylised pictures in, a table of scores out. In a checkout also `python -m cli.evaluate`."""

import sys

from nst_tf import configs, files
from nst_tf.pictures import inputs

from . import config_flags, program, streams

config_flags.define(configs.EvaluateCommand, configs.EvaluationConfig)

_INTRO = """nst-tf evaluate: judge the results of any method by one objective

  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=gatys.png,adain.png
  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=a.png,b.png --lpips=alexnet --output=table.csv

content and style are the weighted losses of nst-tf stylize, total is their sum plus the total variation: lower is
better. noise is the share of spectral energy beyond 0.7 of the Nyquist frequency, which strokes hardly use. crosshatch
(grey levels), specks (of 1000 pixels) and frame (levels) are what a result has of each beyond the style: 0 is best."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Judges the pictures that the flags name."""
    command = config_flags.config_from_flags(configs.EvaluateCommand)
    config = config_flags.config_from_flags(configs.EvaluationConfig)
    if command.output:
        files.check_writable(command.output)
    inputs.read_judged(command.content, command.style, command.images, config.judge)  # before TensorFlow loads
    program.load_tensorflow(weights=[config.weights], threads=command.threads)
    from nst_tf import evaluation  # slow imports that --help and usage errors do not need

    scores = evaluation.evaluate(command.content, command.style, command.images, config, on_message=program.say)
    if command.output:
        files.write_atomically(command.output, evaluation.as_csv(scores))
        program.say(f"wrote {command.output}")
    streams.show(evaluation.as_text(scores))
    return 0


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.EvaluateCommand, configs.EvaluationConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf evaluate", *sys.argv[1:]]))
