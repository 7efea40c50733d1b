"""`nst-tf stylize`: two pictures in, a stylised one out. In a checkout also `python -m cli.stylize`."""

import contextlib
import pathlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from absl import flags, logging

import nst_tf
from nst_tf import configs
from nst_tf.optimisation import checkpoint
from nst_tf.pictures import images, inputs

from . import config_flags, program, progress, streams


class Finished(NamedTuple):
    """A result, and the exit code that goes with it."""

    result: Any  # a results.Result
    summary: str  # how it was made, for the last line
    exit_code: int = 0


class Method(NamedTuple):
    """A way to stylise: its settings, and how a command's run of it goes."""

    config_class: type[Any]
    run: Callable[[configs.StylizeCommand, Any], contextlib.AbstractContextManager[Finished]]


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Stylises as the flags say."""
    command = config_flags.config_from_flags(configs.StylizeCommand)
    method = METHODS[command.method]
    config_flags.check_method(command.method, configs.StylizeCommand, _CONFIG_CLASSES)
    images.check_writable(command.output, bit_depth=command.bit_depth)
    config = config_flags.config_from_flags(method.config_class)
    with method.run(command, config) as finished:
        for note in finished.result.save(command.output, bit_depth=command.bit_depth):
            program.say(f"{command.output}: {note}")
        height_px, width_px = finished.result.image.shape[1:3]
        program.say(f"wrote {command.output} ({width_px} x {height_px} px) {finished.summary}")
    return finished.exit_code


@contextlib.contextmanager
def _optimise(command: configs.StylizeCommand, config: configs.StyleTransferConfig) -> Iterator[Finished]:
    """--method=gatys: progress, snapshots, TensorBoard, checkpoints, and an end at Ctrl-C that keeps the picture."""
    checkpoints = _checkpoints(command)
    pictures = inputs.read(command.content, command.style, config)

    program.load_tensorflow(deterministic=checkpoints is not None)
    from nst_tf.optimisation import tensorboard  # imports TensorFlow, which --help and usage errors need not wait for

    interrupt = _Interrupt()
    bar = progress.Progress()
    log = tensorboard.TensorBoardLog(command.logdir, config) if command.logdir else None

    def on_report(report: nst_tf.Report) -> None:
        interrupt.has_picture = True
        if logging.get_verbosity() >= logging.INFO:
            bar.show(report)
        if report.is_snapshot:
            path = pathlib.Path(command.output)
            images.save(path.with_name(f"{path.stem}.step-{report.step:05}{path.suffix}"), report.image())
        if log:
            log(report)
        if interrupt.seen:
            raise nst_tf.StopStylizing

    with interrupt:
        result = nst_tf.stylize(
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
        exit_code = interrupt.exit_code if result.stopped_early else 0
        yield Finished(result, f"after {result.steps} steps in {result.seconds:.0f} s", exit_code)
    if checkpoints and result.stopped_early:
        program.say(f"the checkpoint is kept in {checkpoints.path}: the same command with --resume continues")
    elif checkpoints:
        checkpoints.remove()


@contextlib.contextmanager
def _stylize_in_one_pass(command: configs.StylizeCommand, config: configs.AdainConfig) -> Iterator[Finished]:
    """--method=adain."""
    pictures = inputs.read_one_pass(command.content, command.style, command.style_masks, config)
    program.load_tensorflow()
    engine = nst_tf.AdainTransfer(config)
    result = engine(pictures.content, pictures.styles, masks=pictures.masks, on_message=program.say)
    yield Finished(result, f"in {result.seconds:.1f} s")


METHODS = {
    "gatys": Method(configs.StyleTransferConfig, _optimise),
    "adain": Method(configs.AdainConfig, _stylize_in_one_pass),
}
_CONFIG_CLASSES = {name: method.config_class for name, method in METHODS.items()}
config_flags.define(configs.StylizeCommand, *_CONFIG_CLASSES.values())

_INTRO = """nst-tf stylize: render a photograph in the style of a painting

  nst-tf stylize --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf stylize --content=sample:launch-pad --style=sample:hiroshige --output=out.png --size=256
  nst-tf stylize --content=photo.jpg --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --preset=gatys --initialisation=noise --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --method=adain --output=out.png

Ctrl-C or SIGTERM ends a run early and writes the picture so far. Settings, losses and times go to OUTPUT.json."""


def _checkpoints(command: configs.StylizeCommand) -> checkpoint.Checkpoints | None:
    if not command.checkpoint_dir:
        if command.resume:
            raise flags.IllegalFlagValueError("--resume needs --checkpoint_dir, the folder of the run to continue")
        return None
    return checkpoint.Checkpoints(
        command.checkpoint_dir, interval_s=command.checkpoint_interval_s, resume=command.resume
    )


def help_text() -> str:
    """The text of --help."""
    groups: dict[str, Any] = config_flags.help_rows(
        configs.StylizeCommand, configs.StyleTransferConfig, details={"output": ", ".join(images.SUFFIXES)}
    )
    for group in ("Reports", "Checkpoints"):  # after the settings
        groups[group] = groups.pop(group)
    groups |= config_flags.rows_of_other_methods(_CONFIG_CLASSES, configs.StylizeCommand.method)
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
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: object) -> None:
        self._restore()
        if not self.has_picture:
            signal.raise_signal(number)
            return
        self.seen = number
        streams.tell("\nstopping after this step; Ctrl-C again to quit at once")


if __name__ == "__main__":
    sys.exit(run(["nst-tf stylize", *sys.argv[1:]]))
