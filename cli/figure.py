"""`nst-tf figure`: an experiment of the papers as a labelled grid. In a checkout also `python -m cli.figure`."""

import signal
import sys

from absl import logging

from nst_tf import configs
from nst_tf.figures import cell_files, experiments
from nst_tf.pictures import images

from . import config_flags, program, progress, streams

config_flags.define(configs.FigureCommand, configs.FigureConfig)

_INTRO = """nst-tf figure: repeat an experiment of the papers as a labelled grid of pictures

  nst-tf figure --name=ratio --output=grid.png
  nst-tf figure --name=ratio --layout=row --content=photo.jpg --style=painting.jpg --output=row.png --size=512
  nst-tf figure --name=initialisation --form=coarse-to-fine --output=starts.png
  nst-tf figure --name=photorealism --content=photo.jpg --style=other_photo.jpg --output=photos.png

Next to grid.png it writes grid.cells/ with every cell and its record, and grid.csv and grid.json with the numbers.
Ctrl-C keeps the finished cells, and the same command continues. A cell whose settings or pictures have changed is run
again."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Renders the figure that the flags describe."""
    config = config_flags.config_from_flags(configs.FigureConfig)
    command = config_flags.config_from_flags(configs.FigureCommand)
    content, style = command.content, command.style or configs.default_style(config.name)
    figure = experiments.describe(config)
    job = cell_files.prepare(figure, content, style, command.output)

    program.load_tensorflow(weights=[config.weights], threads=command.threads)
    from nst_tf import results  # slow imports that --help and usage errors do not need
    from nst_tf.figures import rendering

    interrupted = False
    bar = progress.Progress()

    def on_interrupt(*signal_and_frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True

    def on_report(report: rendering.CellReport) -> None:
        if logging.get_verbosity() >= logging.INFO:
            bar.show(report.report, f"{report.label}:")
            if interrupted or report.report.step == report.report.steps:
                bar.close()
        if interrupted:
            raise results.StopStylizing

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        result = rendering.render(figure, content, style, job.paths.grid, on_report=on_report, on_message=program.say)
    finally:
        signal.signal(signal.SIGINT, previous)
    count = len(figure.cells)
    if result.stopped_early:
        streams.tell(
            f"interrupted: {len(result.rows)} of {count} cells are finished in {job.paths.folder}; the same command "
            "continues."
        )
        return program.INTERRUPTED
    program.say(f"wrote {job.paths.grid}: {count} cells, {result.computed} run now, {result.kept} already finished")
    return 0


def help_text() -> str:
    """The text of --help."""
    details = {"output": ", ".join(images.SUFFIXES)}
    groups = config_flags.help_rows(configs.FigureCommand, configs.FigureConfig, details=details)
    groups["Figures (--name)"] = [
        (name, " ".join(str(describe.__doc__).split("\n\n")[0].split()))
        for name, describe in experiments.FIGURES.items()
    ]
    return program.render_help(_INTRO, groups)


if __name__ == "__main__":
    sys.exit(run(["nst-tf figure", *sys.argv[1:]]))
