"""`nst-tf client`: has a TensorFlow Serving server stylise a picture. In a checkout also `python -m cli.client`."""

import sys

from absl import flags

from nst_tf import configs
from nst_tf.pictures import images
from nst_tf.serving import client

from . import config_flags, program

_CONTENT = flags.DEFINE_string("content", None, "The picture to render: a path or sample:NAME.")
_STYLE = flags.DEFINE_string("style", None, "The picture whose style it takes: a path or sample:NAME.")
_OUTPUT = flags.DEFINE_string("output", None, "Where the result goes; the suffix names the format.")
config_flags.define(configs.ClientConfig)

_INTRO = """nst-tf client: have a TensorFlow Serving server render a photograph in the style of a painting

  nst-tf client --server=localhost:8500 --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf client --transport=rest --server=localhost:8501 --model=gatys --content=photo.jpg --style=painting.jpg \\
      --output=out.png --steps=50

The server runs a bundle of `nst-tf export`; docs/serving.md goes from the one to the other."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Sends the request that the flags say."""
    for flag in (_CONTENT, _OUTPUT):
        if not flag.value:
            raise flags.IllegalFlagValueError(f"--{flag.name} is missing")
    config = config_flags.config_from_flags(configs.ClientConfig)
    output = str(_OUTPUT.value)
    images.check_writable(output)
    pictures = client.load(_CONTENT.value, _STYLE.value, config)
    if config.transport == "grpc":
        program.load_tensorflow()  # the service's protos need it
    result = client.stylize(*pictures, config)
    for note in images.save(output, result.pixels, alpha=result.alpha):
        program.say(f"{output}: {note}")
    program.say(f"wrote {output} ({result.width_px} x {result.height_px} px)")
    return 0


def help_text() -> str:
    """The text of --help."""
    files = [
        ("--content=photo.jpg", "The picture to render: a path or sample:NAME."),
        (
            "--style=painting.jpg",
            "The picture whose style it takes: a path or sample:NAME. Left out for a bundle with its style inside.",
        ),
        ("--output=out.png", f"Where the result goes; the suffix names the format ({', '.join(images.SUFFIXES)})."),
    ]
    return program.render_help(_INTRO, {"Input and output": files} | config_flags.help_rows(configs.ClientConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf client", *sys.argv[1:]]))
