"""`nst-tf video`: a film in, a stylised one out. In a checkout also `python -m cli.video`."""

import sys
from typing import Any

from absl import logging

from nst_tf import configs, files
from nst_tf.pictures import flow, inputs
from nst_tf.video import frames
from nst_tf.weights import known_styles

from . import config_flags, learned_styles, program, progress, streams

_CONFIG_CLASSES = {
    "multi-style": configs.MultiStyleConfig,
    "one-style": configs.OneStyleConfig,
    "adain": configs.AdainConfig,
    "gatys": configs.StyleTransferConfig,
}
_LEFT_OUT = ("snapshot_interval", "initialisation", "averaging")  # what has no meaning in a film
config_flags.define(configs.VideoCommand, configs.VideoConfig, *_CONFIG_CLASSES.values())

_INTRO = """nst-tf video: render a film in the style of a painting, without flicker

  nst-tf video --content=clip.mp4 --style=style:starry-night --output=out.mp4
  nst-tf video --content=clip.mp4 --style=painting.jpg --output=out.webm --size=854
  nst-tf video --content=clip.mp4 --style=style:19 --output=out.mp4 --codec=h264 --stability=0.5
  nst-tf video --content=frames/ --frame_rate=24 --style=painting.jpg --output=frames-out
  nst-tf video --content=clip.gif --style=style:great-wave --output=out.webp
  nst-tf video --content=clip.mp4 --style=painting.jpg --output=out.mp4 --method=gatys --frames=24 --size=256

Needs `pip install 'nst-tf[video]'`, and no ffmpeg. Finished segments lie in OUTPUT.parts until the film is whole: the
same command continues a run that was interrupted or killed. Settings and times go to OUTPUT.json. See docs/video.md."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Renders the film that the flags name."""
    command = learned_styles.with_their_method(config_flags.config_from_flags(configs.VideoCommand))
    config_flags.check_method(command.method, configs.VideoConfig, _CONFIG_CLASSES)
    config = config_flags.config_from_flags(configs.VideoConfig)
    method: Any = config_flags.config_from_flags(_CONFIG_CLASSES[command.method])
    frames.check_installed()
    flow.check_installed()
    _check_before_tensorflow(command, config, method)

    weights = [value for name in ("weights", "decoder") if (value := getattr(method, name, None))]
    program.load_tensorflow(weights=weights, threads=command.threads)
    from nst_tf import video  # imports PyAV, which --help need not wait for

    bar = progress.Progress()

    def on_report(report: video.FilmReport) -> None:
        if logging.get_verbosity() >= logging.INFO:
            bar.show_count(report.frame, report.frames, report.seconds_per_frame, report.seconds_left)

    def on_message(line: str) -> None:
        bar.close()
        program.say(line)

    try:
        result = video.stylize_film(
            command.content,
            command.style,
            command.output,
            method,
            config,
            on_report=on_report,
            on_message=on_message,
        )
    except KeyboardInterrupt:
        bar.close()
        streams.tell("nst-tf video: interrupted. The same command continues after the last finished segment.")
        return program.INTERRUPTED
    bar.close()
    program.say(
        f"wrote {command.output} ({result.frames} frames of {result.width_px} x {result.height_px} px, "
        f"{result.seconds_long:.1f} s) in {result.seconds:.0f} s"
    )
    return 0


def _check_before_tensorflow(command: configs.VideoCommand, config: configs.VideoConfig, method: Any) -> None:
    """Refuses within a second what can be refused: the film, the styles, the output."""
    from nst_tf.pictures import images
    from nst_tf.video import writing  # imports PyAV

    film = frames.open_film(command.content, frame_rate=config.frame_rate)
    size = images.fit(film.height_px, film.width_px, method.max_side_px)
    writing.plan(command.output, film, *size, config)
    files.check_not_read([command.output], [command.content])
    if isinstance(method, configs.MultiStyleConfig):
        known_styles.read(command.style, method)
    elif isinstance(method, configs.OneStyleConfig):
        known_styles.read_with_network(command.style)
    else:
        for path in command.style:
            inputs.read_picture(path, "style", max(size))


def help_text() -> str:
    """The text of --help."""
    rows = config_flags.help_rows(configs.VideoCommand, configs.VideoConfig)
    for name, config_class in _CONFIG_CLASSES.items():
        own = sorted(config_flags.flag_names(config_class) - set(_LEFT_OUT))
        rows[f"Settings of --method={name}, as nst-tf stylize --help explains them"] = [
            (", ".join(f"--{flag}" for flag in own), "")
        ]
    return program.render_help(_INTRO, rows)


if __name__ == "__main__":
    sys.exit(run(["nst-tf video", *sys.argv[1:]]))
