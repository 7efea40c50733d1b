"""`nst-tf export`: a bundle for TensorFlow Serving. In a checkout also `python -m cli.export`."""

import dataclasses
import pathlib
import sys
from typing import Any

from absl import flags

from nst_tf import configs
from nst_tf.pictures import inputs
from nst_tf.weights import known_styles

from . import config_flags, program

_METHODS = {
    "gatys": configs.StyleTransferConfig,
    "adain": configs.AdainConfig,
    "multi-style": configs.MultiStyleConfig,
    "one-style": configs.OneStyleConfig,
}
_IN_REQUESTS = {
    "gatys": ("steps", "content_weight", "seed"),
    "adain": ("strength",),
    "multi-style": ("strength",),
    "one-style": (),
}
config_flags.define(configs.ExportCommand, configs.ExportConfig, *_METHODS.values())

_INTRO = """nst-tf export: write a bundle that TensorFlow Serving loads, with every weight inside

  nst-tf export --output_dir=saved_models/gatys
  nst-tf export --output_dir=saved_models/gatys --size=1024 --max_steps=200 --style_weight=1000
  nst-tf export --output_dir=saved_models/noise --preset=gatys --initialisation=noise
  nst-tf export --method=adain --output_dir=saved_models/adain --size=1024
  nst-tf export --method=adain --style=painting.jpg --output_dir=saved_models/painting
  nst-tf export --method=adain --style=painting.jpg --format=onnx --output_dir=painting-onnx
  nst-tf export --method=multi-style --output_dir=saved_models/styles
  nst-tf export --method=multi-style --style=style:redon --format=litert --output_dir=redon

Before the bundle gets its version number, TensorFlow's C library loads it in a separate process and its answers are
compared with Python's. Needs `pip install 'nst-tf[serving]'`. See docs/serving.md for what to do next."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Exports what the flags describe."""
    command = config_flags.config_from_flags(configs.ExportCommand)
    limits = config_flags.config_from_flags(configs.ExportConfig)
    config_flags.check_method(limits.method, configs.ExportCommand, _METHODS)
    for name in _IN_REQUESTS[limits.method]:
        if flags.FLAGS[name].present:
            raise flags.IllegalFlagValueError(
                f"--{name} is part of each request and cannot be fixed at export. Leave it out."
            )
    export = {
        "gatys": _export_gatys,
        "adain": _export_adain,
        "multi-style": _export_multi_style,
        "one-style": _export_one_style,
    }
    folder = export[limits.method](command, limits)
    size_bytes = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
    program.say(f"wrote {folder} ({size_bytes / 2**20:.0f} MiB)")
    return 0


def _export_gatys(command: configs.ExportCommand, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=gatys."""
    config = config_flags.config_from_flags(configs.StyleTransferConfig)
    program.load_tensorflow(weights=[config.weights], threads=command.threads)
    from nst_tf.export import bundle  # slow imports that --help and usage errors do not need

    return bundle.export_gatys(command.output_dir, config, limits, on_message=program.say)


def _export_adain(command: configs.ExportCommand, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=adain."""
    config = config_flags.config_from_flags(configs.AdainConfig)
    sides_px = inputs.style_sides_px(config.style_max_side_px, len(command.style), config.max_side_px)
    styles = [
        inputs.read_style_for_one_pass(path, path, side_px)
        for path, side_px in zip(command.style, sides_px, strict=True)
    ]
    if isinstance(config.style_max_side_px, tuple):  # the sizes are in the styles now
        config = dataclasses.replace(config, style_max_side_px=None)
    program.load_tensorflow(weights=[config.weights, config.decoder], threads=command.threads)
    return _written(command, limits, config, styles=styles)


def _export_multi_style(command: configs.ExportCommand, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=multi-style."""
    config = config_flags.config_from_flags(configs.MultiStyleConfig)
    styles = known_styles.read(command.style, config) if command.style else ()
    program.load_tensorflow(threads=command.threads)
    return _written(command, limits, config, styles=styles)


def _export_one_style(command: configs.ExportCommand, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=one-style."""
    config = config_flags.config_from_flags(configs.OneStyleConfig)
    if not command.style:
        raise flags.IllegalFlagValueError("--style is missing: the file whose network is exported")
    style = known_styles.read_with_network(command.style)
    program.load_tensorflow(threads=command.threads)
    from nst_tf.networks import one_style  # a slow import that --help does not need

    same = configs.MultiStyleConfig(max_side_px=config.max_side_px)
    return _written(command, limits, same, styles=[style], loaded=one_style.load(style))


def _written(command: configs.ExportCommand, limits: configs.ExportConfig, config: Any, **what: Any) -> pathlib.Path:
    """Exports a network of one pass as a bundle or as files for other runtimes; where it went."""
    from nst_tf.export import bundle, portable  # slow imports that --help does not need

    if limits.format == "saved_model":
        export = bundle.export_adain if limits.method == "adain" else bundle.export_multi_style
        return export(command.output_dir, config, limits, on_message=program.say, **what)
    portable.export(command.output_dir, config, limits, on_message=program.say, **what)
    return pathlib.Path(command.output_dir)


def help_text() -> str:
    """The text of --help."""
    rows = config_flags.help_rows(configs.ExportCommand, configs.ExportConfig, configs.StyleTransferConfig)
    return program.render_help(_INTRO, rows | config_flags.rows_of_other_methods(_METHODS, "gatys"))


if __name__ == "__main__":
    sys.exit(run(["nst-tf export", *sys.argv[1:]]))
