"""`nst-tf stylize`: two pictures in, a stylised one out. In a checkout also `python -m cli.stylize`."""

import pathlib
import signal
import sys
from typing import Any

from absl import flags, logging

from nst_tf import configs
from nst_tf.optimisation import checkpoint
from nst_tf.pictures import images, inputs

from . import config_flags, program, progress

_CONTENT = flags.DEFINE_string("content", None, "The picture to render: a path or sample:NAME.")
_STYLE = flags.DEFINE_list("style", None, "The picture, or several with commas between them, whose style it takes.")
_OUTPUT = flags.DEFINE_string("output", None, "Where the result goes; the suffix names the format.")
_BIT_DEPTH = flags.DEFINE_enum("bit_depth", "8", ["8", "16"], "Bits a channel of the output; 16 for PNG only.")
_LOGDIR = flags.DEFINE_string("logdir", None, "Folder for TensorBoard's events of this run.")
_CHECKPOINT_DIR = flags.DEFINE_string("checkpoint_dir", None, "Folder that keeps the run against its being killed.")
_CHECKPOINT_INTERVAL_S = flags.DEFINE_float(
    "checkpoint_interval_s", configs.CHECKPOINT_INTERVAL_S, "Seconds between two checkpoints."
)
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run of --checkpoint_dir.")
_MASKS = flags.DEFINE_list("style_masks", [], "Pictures, one for each style: white where the style goes.")
_METHODS = {"gatys": configs.StyleTransferConfig, "adain": configs.AdainConfig}
_METHOD_HELP = "gatys: optimise the picture, in minutes. adain: one pass through a network, in seconds."
_METHOD = flags.DEFINE_enum("method", "gatys", list(_METHODS), _METHOD_HELP)
_FLAGS = {  # those of one method that are no settings
    "gatys": {_LOGDIR.name, _CHECKPOINT_DIR.name, _CHECKPOINT_INTERVAL_S.name, _RESUME.name},
    "adain": {_MASKS.name},
}
config_flags.define(*_METHODS.values())

_INTRO = """nst-tf stylize: render a photograph in the style of a painting

  nst-tf stylize --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf stylize --content=sample:launch-pad --style=sample:hiroshige --output=out.png --size=256
  nst-tf stylize --content=photo.jpg --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --preset=gatys --initialisation=noise --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --method=adain --output=out.png

Ctrl-C or SIGTERM ends a run early and writes the picture so far. Settings, losses and times go to OUTPUT.json."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Stylises as the flags say."""
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
    checkpoints = _checkpoints()
    pictures = inputs.read(_CONTENT.value, _STYLE.value, config)

    program.load_tensorflow(deterministic=checkpoints is not None)
    from nst_tf import results  # seconds of work that --help and usage errors need not wait for
    from nst_tf.optimisation import tensorboard, transfer

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
            pictures.content,
            pictures.styles,
            config,
            checkpoints=checkpoints,
            on_report=on_report,
            on_message=program.say,
        )
        bar.close()
        if log:
            log.close()
        for note in result.save(output, bit_depth=bit_depth):
            program.say(f"{output}: {note}")
    height_px, width_px = result.image.shape[1:3]
    program.say(f"wrote {output} ({width_px} x {height_px} px) after {result.steps} steps in {result.seconds:.0f} s")
    if checkpoints and result.stopped_early:
        program.say(f"the checkpoint is kept in {checkpoints.path}: the same command with --resume continues")
    elif checkpoints:
        checkpoints.remove()
    return interrupted.exit_code if result.stopped_early else 0


def _checkpoints() -> checkpoint.Checkpoints | None:
    if not _CHECKPOINT_DIR.value:
        if _RESUME.value:
            raise flags.IllegalFlagValueError("--resume needs --checkpoint_dir, the folder of the run to continue")
        return None
    return checkpoint.Checkpoints(_CHECKPOINT_DIR.value, interval_s=_CHECKPOINT_INTERVAL_S.value, resume=_RESUME.value)


def _stylize_in_one_pass(output: str, bit_depth: int) -> int:
    """--method=adain."""
    config = config_flags.config_from_flags(configs.AdainConfig)
    pictures = inputs.read_one_pass(_CONTENT.value, _STYLE.value, _MASKS.value, config)
    program.load_tensorflow()
    from nst_tf.networks import one_pass  # seconds of work that --help and usage errors need not wait for

    engine = one_pass.AdainTransfer(config)
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
    folder = (
        "Folder that keeps the run against its being killed: one file, written at intervals and at Ctrl-C or SIGTERM, "
        "removed when the result is written. lbfgs takes 24 bytes a pixel for each pair of its memory and 36 more, 406 "
        "MB at 1024 x 768 px with 20 pairs; adam takes 48 bytes a pixel. (default none)"
    )
    interval = (
        "Seconds between two checkpoints, which a killed run loses at most; 0 writes one after every step. (at least "
        f"0; default {configs.CHECKPOINT_INTERVAL_S:g})"
    )
    resume = (
        "Continue the run of --checkpoint_dir. It ends where it would have ended unbroken, on the same machine to the "
        "bit. Refused when there is no checkpoint, or one of other settings, pictures or weights."
    )
    checkpoints = [
        ("--checkpoint_dir=runs/first", folder),
        ("--checkpoint_interval_s=300", interval),
        ("--resume", resume),
    ]
    groups: dict[str, Any] = {"Input and output": inputs} | config_flags.help_rows(configs.StyleTransferConfig)
    groups["Reports"] = [*groups["Reports"], *messages]
    groups["Checkpoints"] = checkpoints
    shared = config_flags.flag_names(configs.AdainConfig) & config_flags.flag_names(configs.StyleTransferConfig)
    groups[configs.ADAIN_GROUP] = [
        *config_flags.help_rows(configs.AdainConfig)[configs.ADAIN_GROUP],
        (
            "--style_masks=a.png,b.png",
            "One picture for each style: white where the style goes, black where the content stays.",
        ),
        ("and of the above", ", ".join(f"--{name}" for name in sorted(shared))),
    ]
    groups["Presets (--preset)"] = [(name, preset.summary) for name, preset in configs.PRESETS.items()]
    return program.render_help(_INTRO, groups)


class _Interrupt:
    """Once there is a picture, the first Ctrl-C or SIGTERM between enter and exit is remembered; any other acts."""

    def __init__(self) -> None:
        self.seen = 0
        self.has_picture = False

    @property
    def exit_code(self) -> int:
        """As a shell gives it for the signal."""
        return 128 + self.seen

    def __enter__(self) -> None:
        self._previous = {number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: object) -> None:
        self.__exit__()
        if not self.has_picture:
            signal.raise_signal(number)
            return
        self.seen = number
        print("\nstopping after this step; Ctrl-C again to quit at once", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(["nst-tf stylize", *sys.argv[1:]]))
