"""`nst-tf export`: a bundle for TensorFlow Serving. In a checkout also `python -m cli.export`."""

import pathlib
import sys

from absl import flags, logging

from nst_tf import configs, export_configs

from . import config_flags, program

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "The model's folder; the bundle becomes OUTPUT_DIR/VERSION.")
config_flags.define(export_configs.ExportConfig)
config_flags.define(configs.StyleTransferConfig)

_INTRO = """nst-tf export: write a bundle that TensorFlow Serving loads, with every weight inside

  nst-tf export --output_dir=saved_models/gatys
  nst-tf export --output_dir=saved_models/gatys --size=1024 --max_steps=200 --style_weight=1000
  nst-tf export --output_dir=saved_models/noise --preset=gatys --initialisation=noise

The bundle is loaded in TensorFlow's C library, in a process of its own, and its answers are compared with Python's
before it gets its version number. Needs `pip install 'nst-tf[serving]'`. docs/serving.md goes on from here."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Exports as the flags say."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.INFO)
    if not _OUTPUT_DIR.value:
        raise flags.IllegalFlagValueError("--output_dir is missing")
    limits = config_flags.config_from_flags(export_configs.ExportConfig)
    config = config_flags.config_from_flags(configs.StyleTransferConfig)

    program.load_tensorflow()
    from nst_tf.export import bundle  # seconds of work that --help and usage errors need not wait for

    folder = bundle.export_gatys(str(_OUTPUT_DIR.value), config, limits, on_message=program.say)
    size_bytes = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
    program.say(f"wrote {folder} ({size_bytes / 2**20:.0f} MiB)")
    return 0


def help_text() -> str:
    """The text of --help."""
    files = [
        (
            "--output_dir=saved_models/gatys",
            "The model's folder, whose name becomes the model's; the bundle becomes OUTPUT_DIR/VERSION.",
        )
    ]
    groups = {"Output": files} | config_flags.help_rows(export_configs.ExportConfig)
    return program.render_help(_INTRO, groups | config_flags.help_rows(configs.StyleTransferConfig))


if __name__ == "__main__":
    sys.exit(run(["nst-tf export", *sys.argv[1:]]))
