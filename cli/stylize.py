"""`nst-tf stylize`: two pictures in, a stylised one out. In a checkout also `python -m cli.stylize`."""

import pathlib
import signal
import sys
from typing import Any

from absl import flags, logging

from nst_tf import adain_configs, configs, images, inputs

from . import config_flags, program, progress

_CONTENT = flags.DEFINE_string("content", None, "The picture to render: a path or sample:NAME.")
_STYLE = flags.DEFINE_list("style", None, "The picture, or several with commas between them, whose style it takes.")
_OUTPUT = flags.DEFINE_string("output", None, "Where the result goes; the suffix names the format.")
_BIT_DEPTH = flags.DEFINE_enum("bit_depth", "8", ["8", "16"], "Bits a channel of the output; 16 for PNG only.")
_LOGDIR = flags.DEFINE_string("logdir", None, "Folder for TensorBoard's events of this run.")
_MASKS = flags.DEFINE_list("style_masks", [], "Pictures, one for each style: white where the style goes.")
_METHODS = {"gatys": configs.StyleTransferConfig, "adain": adain_configs.AdainConfig}
_METHOD_HELP = "gatys: optimise the picture, in minutes. adain: one pass through a network, in seconds."
_METHOD = flags.DEFINE_enum("method", "gatys", list(_METHODS), _METHOD_HELP)
_FLAGS = {"gatys": {_LOGDIR.name}, "adain": {_MASKS.name}}  # those of one method that are no settings
config_flags.define(*_METHODS.values())

_INTRO = """nst-tf stylize: render a photograph in the style of a painting

  nst-tf stylize --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf stylize --content=sample:launch-pad --style=sample:hiroshige --output=out.png --size=256
  nst-tf stylize --content=photo.jpg --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --preset=gatys --initialisation=noise --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --method=adain --output=out.png

Ctrl-C ends a run early and writes the picture so far. Settings, losses and times go to OUTPUT.json."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Stylises as the flags say."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.INFO)
    for flag in (_CONTENT, _STYLE, _OUTPUT):
        if not flag.value:
            raise flags.IllegalFlagValueError(f"--{flag.name} is missing")
    method = str(_METHOD.value)
    config_flags.check_method(method, {m: config_flags.flag_names(c) | _FLAGS[m] for m, c in _METHODS.items()})
    images.check_writable(str(_OUTPUT.value), bit_depth=int(_BIT_DEPTH.value))
    return {"gatys": _optimise, "adain": _stylize_in_one_pass}[method](str(_OUTPUT.value), int(_BIT_DEPTH.value))


def _optimise(output: str, bit_depth: int) -> int:
    """--method=gatys."""
    config = config_flags.config_from_flags(configs.StyleTransferConfig)
    pictures = inputs.read(_CONTENT.value, _STYLE.value, config)

    program.load_tensorflow()
    from nst_tf import results, tensorboard, transfer  # seconds of work that --help and usage errors need not wait for

    interrupted = _Interrupt()
    bar = progress.Progress()
    log = tensorboard.TensorBoardLog(_LOGDIR.value, config) if _LOGDIR.value else None

    def on_report(report: results.Report) -> None:
        interrupted.has_picture = True
        if logging.get_verbosity() >= logging.INFO:
            bar.show(report)
        if report.is_snapshot:
            path = pathlib.Path(output)
            images.save(path.with_name(f"{path.stem}.step-{report.step:05}{path.suffix}"), report.image())
        if log:
            log(report)
        if interrupted.seen:
            raise results.StopStylizing

    with interrupted:
        result = transfer.stylize(
            pictures.content, pictures.styles, config, on_report=on_report, on_message=program.say
        )
        bar.close()
        if log:
            log.close()
        for note in result.save(output, bit_depth=bit_depth):
            program.say(f"{output}: {note}")
    height_px, width_px = result.image.shape[1:3]
    program.say(f"wrote {output} ({width_px} x {height_px} px) after {result.steps} steps in {result.seconds:.0f} s")
    return program.INTERRUPTED if result.stopped_early else 0


def _stylize_in_one_pass(output: str, bit_depth: int) -> int:
    """--method=adain."""
    config = config_flags.config_from_flags(adain_configs.AdainConfig)
    pictures = inputs.read_one_pass(_CONTENT.value, _STYLE.value, _MASKS.value, config)
    program.load_tensorflow()
    from nst_tf import adain_transfer  # seconds of work that --help and usage errors need not wait for

    engine = adain_transfer.AdainTransfer(config)
    result = engine(pictures.content, pictures.styles, masks=pictures.masks, on_message=program.say)
    for note in result.save(output, bit_depth=bit_depth):
        program.say(f"{output}: {note}")
    height_px, width_px = result.image.shape[1:3]
    program.say(f"wrote {output} ({width_px} x {height_px} px) in {result.seconds:.1f} s")
    return 0


def help_text() -> str:
    """The text of --help."""
    inputs = [
        ("--content=photo.jpg", "The picture to render: a path, or sample:NAME for one of the shipped pictures."),
        (
            "--style=painting.jpg",
            "The picture whose style it takes; several with commas between them are blended (--style_blend).",
        ),
        (
            "--output=out.png",
            f"Where the result goes; the suffix names the format ({', '.join(images.SUFFIXES)}).",
        ),
        ("--bit_depth=16", "Bits a channel of the output; 16 for PNG only. (8 or 16; default 8)"),
        (
            "--method=adain",
            f"{_METHOD_HELP} (one of {', '.join(_METHODS)}; default {_METHOD.default})",
        ),
    ]
    log = (
        "Folder for TensorBoard's events: losses by layer, gradient norm, pictures, settings. Needs the package "
        "tensorboard (nst-tf[tensorboard]). (default none)"
    )
    messages = [
        ("--logdir=runs/first", log),
        (
            "--verbosity=-1",
            "How much is told: -1 warnings only, 0 notes and progress, 1 debugging. (default 0)",
        ),
    ]
    groups: dict[str, Any] = {"Input and output": inputs} | config_flags.help_rows(configs.StyleTransferConfig)
    groups["Reports"] = [*groups["Reports"], *messages]
    shared = config_flags.flag_names(adain_configs.AdainConfig) & config_flags.flag_names(configs.StyleTransferConfig)
    groups[adain_configs.GROUP] = [
        *config_flags.help_rows(adain_configs.AdainConfig)[adain_configs.GROUP],
        (
            "--style_masks=a.png,b.png",
            "One picture for each style: white where the style goes, black where the content stays.",
        ),
        ("and of the above", ", ".join(f"--{name}" for name in sorted(shared))),
    ]
    groups["Presets (--preset)"] = [(name, preset.summary) for name, preset in configs.PRESETS.items()]
    return program.render_help(_INTRO, groups)


class _Interrupt:
    """Once there is a picture, the first Ctrl-C is remembered between enter and exit; any other acts as usual."""

    def __init__(self) -> None:
        self.seen = False
        self.has_picture = False

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGINT, self._remember)

    def __exit__(self, *exception: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _remember(self, *signal_and_frame: object) -> None:
        if not self.has_picture:
            raise KeyboardInterrupt
        self.seen = True
        signal.signal(signal.SIGINT, self._previous)
        print("\nstopping after this step; Ctrl-C again to quit at once", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(["nst-tf stylize", *sys.argv[1:]]))
