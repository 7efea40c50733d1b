"""`nst-tf client`: has a TensorFlow Serving server stylise a picture. In a checkout also `python -m cli.client`."""

import sys

from absl import flags

from nst_tf import configs, files
from nst_tf.pictures import images
from nst_tf.serving import client

from . import config_flags, program

config_flags.define(configs.ClientCommand, configs.ClientConfig)

_INTRO = """nst-tf client: have a TensorFlow Serving server render a photograph in the style of a painting

  nst-tf client --server=localhost:8500 --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf client --transport=rest --server=localhost:8501 --model=gatys --content=photo.jpg --style=painting.jpg \\
      --output=out.png --steps=50
  nst-tf client --model=adain --content=photo.jpg --style=painting.jpg --save_style=painting.npz --output=out.png
  nst-tf client --model=adain --content=other.jpg --style=painting.npz --output=other.png
  nst-tf client --model=adain --content=photo.jpg --style=a.jpg,b.jpg --style_masks=sky.png,land.png --output=out.png
  nst-tf client --model=styles --content=photo.jpg --style=style:redon=0.7,auvers=0.3 --output=out.png

The server runs a bundle made by `nst-tf export`; see docs/serving.md."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Sends the request that the flags describe."""
    command = config_flags.config_from_flags(configs.ClientCommand)
    config = config_flags.config_from_flags(configs.ClientConfig)
    images.check_writable(command.output)
    if command.save_style:
        files.check_writable(command.save_style)
    if command.style_blend or command.style_masks or command.keep_mask:
        if command.save_style:
            raise flags.IllegalFlagValueError("--save_style needs one style, without shares and masks")
        return _save(_of_several(command, config), command)
    pictures = client.load(command.content, command.style or None, config)
    if command.save_style and not isinstance(pictures.style, images.Picture):
        raise flags.IllegalFlagValueError("--save_style needs the picture to encode as --style")
    if config.transport == "grpc":
        program.load_tensorflow()  # the service's protos import it
    if command.save_style:
        style = client.encode_style(pictures.style, config)
        client.save_style(command.save_style, style)
        program.say(f"wrote {command.save_style}")
        pictures = pictures._replace(style=style)
    return _save(client.stylize(*pictures, config), command)


def _of_several(command: configs.ClientCommand, config: configs.ClientConfig) -> images.Picture:
    """The answer to a request with shares or masks."""
    if config.transport == "grpc":
        program.load_tensorflow()
    return client.stylize(
        command.content,
        [style for style in command.style.split(",") if style] or None,
        config,
        style_blend=command.style_blend,
        style_masks=command.style_masks,
        keep_mask=command.keep_mask or None,
    )


def _save(result: images.Picture, command: configs.ClientCommand) -> int:
    """Writes a result and says so; returns the exit code."""
    for note in images.save(command.output, result.pixels, alpha=result.alpha):
        program.say(f"{command.output}: {note}")
    program.say(f"wrote {command.output} ({result.width_px} x {result.height_px} px)")
    return 0


def help_text() -> str:
    """The text of --help."""
    details = {"output": ", ".join(images.SUFFIXES)}
    rows = config_flags.help_rows(configs.ClientCommand, configs.ClientConfig, details=details)
    return program.render_help(_INTRO, rows)


if __name__ == "__main__":
    sys.exit(run(["nst-tf client", *sys.argv[1:]]))
