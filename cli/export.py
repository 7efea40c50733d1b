"""`nst-tf export`: a bundle for TensorFlow Serving. In a checkout also `python -m cli.export`."""

import pathlib
import sys

from absl import flags

from nst_tf import configs
from nst_tf.pictures import images

from . import config_flags, program

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "The model's folder.")
_STYLE = flags.DEFINE_list("style", [], "The picture, or several with commas between them, whose style is baked in.")
_METHODS = {"gatys": configs.StyleTransferConfig, "adain": configs.AdainConfig}
_FLAGS: dict[str, set[str]] = {"gatys": set(), "adain": {_STYLE.name}}  # those of one method that are no settings
_IN_REQUESTS = {"gatys": ("steps", "content_weight", "seed"), "adain": ("style_strength",)}
config_flags.define(configs.ExportConfig, *_METHODS.values())

_INTRO = """nst-tf export: write a bundle that TensorFlow Serving loads, with every weight inside

  nst-tf export --output_dir=saved_models/gatys
  nst-tf export --output_dir=saved_models/gatys --size=1024 --max_steps=200 --style_weight=1000
  nst-tf export --output_dir=saved_models/noise --preset=gatys --initialisation=noise
  nst-tf export --method=adain --output_dir=saved_models/adain --size=1024
  nst-tf export --method=adain --style=painting.jpg --output_dir=saved_models/painting
  nst-tf export --method=adain --style=painting.jpg --format=onnx --output_dir=painting-onnx

The bundle is loaded in TensorFlow's C library, in a process of its own, and its answers are compared with Python's
before it gets its version number. Needs `pip install 'nst-tf[serving]'`. docs/serving.md goes on from here."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Exports as the flags say."""
    if not _OUTPUT_DIR.value:
        raise flags.IllegalFlagValueError("--output_dir is missing")
    limits = config_flags.config_from_flags(configs.ExportConfig)
    config_flags.check_method(limits.method, {m: config_flags.flag_names(c) | _FLAGS[m] for m, c in _METHODS.items()})
    for name in _IN_REQUESTS[limits.method]:
        if flags.FLAGS[name].present:
            raise flags.IllegalFlagValueError(f"--{name} comes with each request and is not baked in. Leave it out.")
    export = {"gatys": _export_gatys, "adain": _export_adain}[limits.method]
    folder = export(str(_OUTPUT_DIR.value), limits)
    size_bytes = sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())
    program.say(f"wrote {folder} ({size_bytes / 2**20:.0f} MiB)")
    return 0


def _export_gatys(output_dir: str, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=gatys."""
    config = config_flags.config_from_flags(configs.StyleTransferConfig)
    program.load_tensorflow()
    from nst_tf.export import bundle  # seconds of work that --help and usage errors need not wait for

    return bundle.export_gatys(output_dir, config, limits, on_message=program.say)


def _export_adain(output_dir: str, limits: configs.ExportConfig) -> pathlib.Path:
    """--method=adain."""
    config = config_flags.config_from_flags(configs.AdainConfig)
    side_px = config.style_max_side_px or config.max_side_px
    styles = [images.load(path, max_side_px=side_px) for path in _STYLE.value]
    program.load_tensorflow()
    from nst_tf.export import bundle, litert_onnx  # seconds of work that --help need not wait for

    if limits.format == "saved_model":
        return bundle.export_adain(output_dir, config, limits, styles=styles, on_message=program.say)
    litert_onnx.export(output_dir, config, limits, styles=styles, on_message=program.say)
    return pathlib.Path(output_dir)


def help_text() -> str:
    """The text of --help."""
    files = [
        (
            "--output_dir=saved_models/gatys",
            "Its name becomes the model's; a bundle becomes OUTPUT_DIR/VERSION, litert and onnx files go into it.",
        ),
        (
            "--style=painting.jpg",
            "With --method=adain: the picture whose style is baked in; several are blended (--style_blend).",
        ),
    ]
    groups = {"Output": files} | config_flags.help_rows(configs.ExportConfig)
    groups |= config_flags.help_rows(configs.StyleTransferConfig)
    shared = config_flags.flag_names(configs.AdainConfig) & config_flags.flag_names(configs.StyleTransferConfig)
    groups[configs.ADAIN_GROUP] = [
        *config_flags.help_rows(configs.AdainConfig)[configs.ADAIN_GROUP],
        ("and of the above", ", ".join(f"--{name}" for name in sorted(shared))),
    ]
    return program.render_help(_INTRO, groups)


if __name__ == "__main__":
    sys.exit(run(["nst-tf export", *sys.argv[1:]]))
