"""`nst-tf stylize`: two pictures in, a stylised one out. In a checkout also `python -m cli.stylize`."""

import contextlib
import glob
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import logging

import nst_tf
from nst_tf import configs, errors, files, results
from nst_tf.optimisation import schedule
from nst_tf.pictures import images, inputs, luts, masks
from nst_tf.weights import known_styles

from . import config_flags, interrupts, learned_styles, program, progress


class Finished(NamedTuple):
    """A result, and the exit code that goes with it."""

    result: Any  # a results.Result
    content: images.Picture  # what it was made of, of whatever size
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
    command = learned_styles.with_their_method(config_flags.config_from_flags(configs.StylizeCommand))
    method = METHODS[command.method]
    config_flags.check_method(command.method, configs.StylizeCommand, _CONFIG_CLASSES)
    results.check_writable(command.output, bit_depth=command.bit_depth)
    if command.lut:
        luts.check_writable(command.lut)
    config = config_flags.config_from_flags(method.config_class)
    with method.run(command, config) as finished:
        for note in finished.result.save(command.output, bit_depth=command.bit_depth):
            program.say(f"{command.output}: {note}")
        height_px, width_px = finished.result.image.shape[1:3]
        program.say(f"wrote {command.output} ({width_px} x {height_px} px) {finished.summary}")
        if command.lut:
            _save_lut(command.lut, finished)
    return finished.exit_code


@contextlib.contextmanager
def _optimise(command: configs.StylizeCommand, config: configs.StyleTransferConfig) -> Iterator[Finished]:
    """--method=gatys: progress, snapshots, TensorBoard, checkpoints, and an end at Ctrl-C that keeps the picture."""
    if config.snapshot_interval:
        _check_snapshots(command, config)
    checkpoints = program.checkpoints(command)
    pictures = masks.read(inputs.read(command.content, command.style, config), _masks(command), config.style_blend)

    program.load_tensorflow(weights=[config.weights], deterministic=checkpoints is not None, threads=command.threads)
    from nst_tf.optimisation import tensorboard  # imports TensorFlow, which --help and usage errors need not wait for

    interrupt = interrupts.Interrupt()
    bar = progress.Progress()
    log = tensorboard.TensorBoardLog(command.logdir, config) if command.logdir else None

    def on_report(report: nst_tf.Report) -> None:
        interrupt.has_result = True
        if logging.get_verbosity() >= logging.INFO:
            bar.show(report)
        if report.is_snapshot:
            _save_snapshot(command, report, pictures.content.alpha)
        if log:
            log(report)
        if interrupt.seen:
            raise nst_tf.StopStylizing

    with interrupt:
        result = nst_tf.stylize(
            pictures.photograph or pictures.content,
            pictures.styles,
            config,
            style_masks=pictures.masks,
            style_own_masks=pictures.own_masks,
            keep_mask=pictures.keep,
            checkpoints=checkpoints,
            on_report=on_report,
            on_message=program.say,
        )
        bar.close()
        if log:
            log.close()
        exit_code = interrupt.exit_code if result.stopped_early else 0
        summary = f"after {result.steps} steps in {result.seconds:.0f} s"
        yield Finished(result, pictures.photograph or pictures.content, summary, exit_code)
    program.end_checkpoints(checkpoints, stopped_early=result.stopped_early)


@contextlib.contextmanager
def _stylize_in_one_pass(command: configs.StylizeCommand, config: configs.AdainConfig) -> Iterator[Finished]:
    """--method=adain."""
    pictures = masks.read(
        inputs.read_one_pass(command.content, command.style, config), _masks(command), config.style_blend
    )
    program.load_tensorflow(weights=[config.weights, config.decoder], threads=command.threads)
    engine = nst_tf.AdainTransfer(config)
    result = engine(
        pictures.content,
        pictures.styles,
        style_masks=pictures.masks,
        style_own_masks=pictures.own_masks,
        keep_mask=pictures.keep,
        on_message=program.say,
    )
    yield Finished(result, pictures.content, f"in {result.seconds:.1f} s")


@contextlib.contextmanager
def _stylize_in_a_known_style(command: configs.StylizeCommand, config: configs.MultiStyleConfig) -> Iterator[Finished]:
    """--method=multi-style."""
    styles = known_styles.read(command.style, config)
    pictures = _with_masks(command, config, styles=len(styles))
    program.load_tensorflow(threads=command.threads)
    result = nst_tf.MultiStyleTransfer(config)(
        pictures.content,
        styles,
        style_masks=pictures.masks,
        keep_mask=pictures.keep,
        on_message=program.say,
    )
    yield Finished(result, pictures.content, f"in {result.seconds:.1f} s")


@contextlib.contextmanager
def _stylize_by_a_network_of_its_own(
    command: configs.StylizeCommand, config: configs.OneStyleConfig
) -> Iterator[Finished]:
    """--method=one-style."""
    style = known_styles.read_with_network(command.style)
    pictures = _with_masks(command, config, styles=1)
    program.load_tensorflow(threads=command.threads)
    result = nst_tf.OneStyleTransfer(config)(
        pictures.content, style, style_masks=pictures.masks, keep_mask=pictures.keep, on_message=program.say
    )
    yield Finished(result, pictures.content, f"in {result.seconds:.1f} s")


@contextlib.contextmanager
def _recolour(command: configs.StylizeCommand, config: configs.RecolourConfig) -> Iterator[Finished]:
    """--method=recolour, which needs no TensorFlow."""
    content = inputs.read_picture(command.content, "content", config.max_side_px)
    result = nst_tf.recolour(content, command.style, config, on_message=program.say)
    yield Finished(result, content, f"in {result.seconds * 1000:.0f} ms")


def _with_masks(command: configs.StylizeCommand, config: Any, *, styles: int) -> inputs.Inputs:
    """The content and its masks, for styles that are no pictures."""
    given = _masks(command)
    masks.check(given, styles, getattr(config, "style_blend", ()))
    content = inputs.read_picture(command.content, "content", config.max_side_px)
    return masks.read_content_masks(inputs.Inputs(content, ()), given)


def _masks(command: configs.StylizeCommand) -> masks.Given:
    return masks.Given(command.style_masks, command.style_own_masks, command.keep_mask or None)


METHODS = {
    "gatys": Method(configs.StyleTransferConfig, _optimise),
    "adain": Method(configs.AdainConfig, _stylize_in_one_pass),
    "multi-style": Method(configs.MultiStyleConfig, _stylize_in_a_known_style),
    "one-style": Method(configs.OneStyleConfig, _stylize_by_a_network_of_its_own),
    "recolour": Method(configs.RecolourConfig, _recolour),
}
_CONFIG_CLASSES = {name: method.config_class for name, method in METHODS.items()}
config_flags.define(configs.StylizeCommand, *_CONFIG_CLASSES.values())

_INTRO = """nst-tf stylize: render a photograph in the style of a painting

  nst-tf stylize --content=photo.jpg --style=painting.jpg --output=out.png
  nst-tf stylize --content=sample:launch-pad --style=sample:hiroshige --output=out.png --size=256
  nst-tf stylize --content=photo.jpg --style=a.jpg,b.jpg --style_blend=0.7,0.3 --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --preset=gatys --initialisation=noise --output=out.png
  nst-tf stylize --content=photo.jpg --style=painting.jpg --method=adain --output=out.png
  nst-tf stylize --content=photo.jpg --style=style:starry-night --output=out.png
  nst-tf stylize --content=day.jpg --style=dusk.jpg --preset=photo --full_size --output=out.jpg
  nst-tf stylize --content=day.jpg --style=dusk.jpg --method=recolour --lut=dusk.cube --output=out.jpg

Ctrl-C or SIGTERM ends a run early and writes the picture so far. Settings, losses and times go to OUTPUT.json."""


def _save_lut(path: str, finished: Finished) -> None:
    """Writes what the result did to the colours of its photograph as a table."""
    image = finished.result.image
    fitted = luts.fit(inputs.at_size(finished.content.pixels, *image.shape[1:3]), image)
    luts.save(path, fitted.lut, pathlib.Path(path).stem)
    program.say(
        f"wrote {path}, a table of {luts.NODES} nodes a side: of this photograph it makes the result's colours within "
        f"{fitted.error_levels:.1f} of 255 levels (root mean square)"
    )


def _snapshot_path(output: str, step: int | str) -> pathlib.Path:
    path = pathlib.Path(output)
    number = f"{step:05}" if isinstance(step, int) else step
    return path.with_name(f"{path.stem}.step-{number}{path.suffix}")


def _check_snapshots(command: configs.StylizeCommand, config: configs.StyleTransferConfig) -> None:
    """Refuses what can be known before the start: names that are too long, and snapshots that are inputs."""
    evaluations = config.steps + sum(
        schedule.coarse_steps(config, halvings, is_coarsest=True) for halvings in range(1, config.scales)
    )
    files.check_writable(_snapshot_path(command.output, evaluations))
    output = pathlib.Path(command.output)
    pattern = _snapshot_path(glob.escape(output.name), "*").name
    read = [
        command.content,
        *command.style,
        *command.style_masks,
        *command.style_own_masks,
        command.keep_mask,
        config.initialisation,
        config.weights,
    ]
    files.check_not_read(output.parent.glob(pattern), read)


def _save_snapshot(command: configs.StylizeCommand, report: nst_tf.Report, alpha: np.ndarray | None) -> None:
    """Writes the picture so far as the result will be written; where that fails, the run goes on."""
    image = report.image()
    if alpha is not None:
        alpha = images.resize(alpha, *image.shape[1:3])
    path = _snapshot_path(command.output, report.step)
    try:
        images.save(path, image, alpha=alpha, bit_depth=command.bit_depth)
    except errors.OutputError as error:
        program.say(f"the snapshot of step {report.step} is missing. {error}")


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


if __name__ == "__main__":
    sys.exit(run(["nst-tf stylize", *sys.argv[1:]]))
