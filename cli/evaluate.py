"""`nst-tf evaluate`: stylised pictures in, a table of scores out. In a checkout also `python -m cli.evaluate`."""

import sys
from typing import Any

from absl import flags

from nst_tf import configs, files
from nst_tf.pictures import inputs

from . import config_flags, program

_CONTENT = flags.DEFINE_string("content", None, "The picture that was rendered: a path or sample:NAME.")
_STYLE = flags.DEFINE_list("style", None, "The picture, or several with commas between them, whose style was taken.")
_IMAGES = flags.DEFINE_list("images", None, "The results to judge, with commas between them.")
_OUTPUT = flags.DEFINE_string("output", None, "A CSV file for the table.")
config_flags.define(configs.EvaluationConfig)

_INTRO = """nst-tf evaluate: judge results of any method by one objective

  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=gatys.png,adain.png
  nst-tf evaluate --content=photo.jpg --style=painting.jpg --images=a.png,b.png --lpips=alexnet --output=table.csv

content and style are the weighted losses of nst-tf stylize, total their sum with the total variation: lower is nearer.
noise is the share of spectral energy beyond 0.7 of the Nyquist frequency: what strokes do not explain."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Judges the pictures that the flags name."""
    for flag in (_CONTENT, _STYLE, _IMAGES):
        if not flag.value:
            raise flags.IllegalFlagValueError(f"--{flag.name} is missing")
    images = list(_IMAGES.value or [])
    config = config_flags.config_from_flags(configs.EvaluationConfig)
    if _OUTPUT.value is not None:
        files.check_writable(_OUTPUT.value)
    inputs.read_judged(_CONTENT.value, _STYLE.value, images, config.judge)  # mistakes show before TensorFlow loads
    program.load_tensorflow()
    from nst_tf import evaluation  # seconds of work that --help and usage errors need not wait for

    scores = evaluation.evaluate(_CONTENT.value, _STYLE.value, images, config, on_message=program.say)
    print(evaluation.as_text(scores))
    if _OUTPUT.value is not None:
        files.write_atomically(_OUTPUT.value, evaluation.as_csv(scores))
        program.say(f"wrote {_OUTPUT.value}")
    return 0


def help_text() -> str:
    """The text of --help."""
    rows = [
        ("--content=photo.jpg", "The picture that was rendered: a path or sample:NAME. It is scaled to each result."),
        ("--style=painting.jpg", "The picture whose style was taken; several with commas between them."),
        ("--images=a.png,b.png", "The results to judge, with commas between them; each at its own size."),
        ("--output=table.csv", "A file for the table, which is printed as well. (default none)"),
    ]
    groups: dict[str, Any] = {"Input and output": rows}
    return program.render_help(_INTRO, groups | config_flags.help_rows(configs.EvaluationConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf evaluate", *sys.argv[1:]]))
